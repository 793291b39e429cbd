/** Names that `sandbox.runtime` of a config file may have. */
export const RUNTIME_NAMES = ['base', 'python', 'node', 'go', 'rust', 'ruby', 'java', 'c', 'dotnet'] as const
export type RuntimeName = (typeof RUNTIME_NAMES)[number]

/** The image used when nothing says which language a sandbox is for. */
export const DEFAULT_IMAGE = 'alpine:3.20'

/** The image each `sandbox.runtime` stands for. */
export const RUNTIME_IMAGES: Readonly<Record<RuntimeName, string>> = {
  base: DEFAULT_IMAGE,
  python: 'python:3.12-alpine',
  node: 'node:22-alpine',
  go: 'golang:1.23-alpine',
  rust: 'rust:1.85-alpine',
  ruby: 'ruby:3.3-alpine',
  java: 'eclipse-temurin:21-alpine',
  c: 'gcc:14-bookworm',
  dotnet: 'mcr.microsoft.com/dotnet/sdk:8.0',
}
