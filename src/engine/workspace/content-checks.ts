import type { ContentCheck } from './secret-files.ts'

/**
 * What each check looks for; one match is enough. Repetitions are bounded, because a file may be long and hostile.
 */
const SIGNS: Readonly<Record<ContentCheck, readonly RegExp[]>> = {
  'private-key': [/-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY/, /AGE-SECRET-KEY-1/, /PuTTY-User-Key-File/, /-----BEGIN OpenVPN Static key/],
  'docker-login': [/"(auth|identitytoken|registrytoken|password)"\s{0,20}:\s{0,20}"[^"]/],
  'service-account': [/"(private_key|client_secret|refresh_token)"\s{0,20}:\s{0,20}"[^"]/],
  'password-setting': [
    // `password = x`, `"password": "x"`, `<password>x`
    /(pass(word|wd|phrase)?|secret|secret_?key|token|api_?key|bearer)["']?\s{0,20}[:=>]\s{0,20}["']?[^\s"'<]/i,
    // NuGet: `<add key="ClearTextPassword" value="x" />`
    /password["']?\s{1,20}value\s{0,20}=\s{0,20}["'][^"']/i,
    // Composer: `"github-oauth": {"github.com": "x"}`; Bundler: `BUNDLE_GEMS__EXAMPLE__COM: "user:x"`
    /"(github-oauth|gitlab-oauth|gitlab-token|bitbucket-oauth|http-basic|bearer)"\s{0,20}:\s{0,20}\{\s{0,200}"/,
    /BUNDLE_\w{0,80}__\w{1,80}:\s{0,20}["']?[^\s"']/,
  ],
  'secret-variable': [
    /(SECRET|TOKEN|PASSWORD|PASSWD|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|CREDENTIAL|CONNECTION_?STRING)\w{0,40}["']?\s{0,20}[:=]\s{0,20}["']?[^\s"'#]/i,
    /:\/\/[^\s/:@"']{0,200}:[^\s/@"']{1,200}@/,
  ],
}

/** True when the text holds what `check` looks for. Letters outside ASCII do not matter: any one-byte reading will do. */
export function holdsSecret(check: ContentCheck, text: string): boolean {
  return SIGNS[check].some((sign) => sign.test(text))
}
