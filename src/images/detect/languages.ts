import { DEFAULT_IMAGE, RUNTIME_IMAGES } from './runtime-images.ts'

/**
 * File markers are exact names or `*.ext`. How much a marker says:
 * - `strong`: belongs to this language alone (a manifest, its own sources); decides at once.
 * - `likely`: also seen as a helper beside other languages; decides when nothing strong is there.
 * - `weak`: a task runner that any project may have; decides only when it is alone.
 */
export const MARKER_GRADES = ['strong', 'likely', 'weak'] as const
export type MarkerGrade = (typeof MARKER_GRADES)[number]

/** How one language is recognised, and the image that runs it. */
export interface Language {
  /** Stable lower-case key, e.g. `python`. */
  readonly id: string
  /** Name for people, e.g. `.NET`. */
  readonly title: string
  readonly files: Readonly<Partial<Record<MarkerGrade, readonly string[]>>>
  /** Commands that the image has. */
  readonly commands: readonly string[]
  /** Commands of the language that the image lacks and that are installed on top of it. */
  readonly tools: readonly string[]
  readonly image: string
}

/** All languages. The order is the rank: between markers of one grade, the earlier language wins. */
export const LANGUAGES: readonly Language[] = [
  {
    id: 'node',
    title: 'JavaScript/TypeScript',
    files: {
      strong: ['package.json', 'package-lock.json', 'yarn.lock', 'pnpm-lock.yaml', 'bun.lockb', 'bun.lock'],
      likely: ['*.js', '*.mjs', '*.cjs', '*.ts', '*.tsx'],
    },
    commands: ['node', 'nodejs', 'npm', 'npx', 'yarn', 'corepack'],
    tools: ['pnpm', 'bun', 'tsx', 'ts-node', 'tsc'],
    image: RUNTIME_IMAGES.node,
  },
  {
    id: 'rust',
    title: 'Rust',
    files: { strong: ['Cargo.toml', 'Cargo.lock'], likely: ['*.rs'] },
    commands: ['cargo', 'rustc', 'rustup', 'rustdoc'],
    tools: ['rustfmt', 'clippy'],
    image: RUNTIME_IMAGES.rust,
  },
  {
    id: 'go',
    title: 'Go',
    files: { strong: ['go.mod', 'go.sum', 'go.work'], likely: ['*.go'] },
    commands: ['go', 'gofmt'],
    tools: [],
    image: RUNTIME_IMAGES.go,
  },
  {
    id: 'python',
    title: 'Python',
    files: {
      strong: ['pyproject.toml', 'requirements.txt', 'setup.py', 'setup.cfg', 'Pipfile', 'Pipfile.lock', 'poetry.lock', 'uv.lock'],
      likely: ['*.py'],
    },
    commands: ['python', 'python3', 'pip', 'pip3'],
    tools: ['poetry', 'uv', 'uvx', 'pipenv', 'pytest', 'ruff', 'gunicorn', 'uvicorn', 'celery', 'flask'],
    image: RUNTIME_IMAGES.python,
  },
  {
    id: 'ruby',
    title: 'Ruby',
    files: { strong: ['Gemfile', 'Gemfile.lock', '*.gemspec'], likely: ['*.rb', 'Rakefile', 'config.ru'] },
    commands: ['ruby', 'gem', 'bundle', 'bundler', 'rake', 'irb'],
    tools: ['rails', 'rackup', 'puma', 'sidekiq'],
    image: RUNTIME_IMAGES.ruby,
  },
  {
    id: 'java',
    title: 'Java',
    files: {
      strong: ['pom.xml', 'build.gradle', 'build.gradle.kts', 'settings.gradle', 'settings.gradle.kts'],
      likely: ['*.java'],
    },
    commands: ['java', 'javac'],
    tools: ['mvn', 'mvnw', 'gradle', 'gradlew'],
    image: RUNTIME_IMAGES.java,
  },
  {
    id: 'kotlin',
    title: 'Kotlin',
    files: { strong: ['*.kt'] },
    commands: [],
    tools: [],
    image: RUNTIME_IMAGES.java,
  },
  {
    id: 'dotnet',
    title: '.NET',
    files: { strong: ['*.csproj', '*.fsproj', '*.vbproj', '*.sln', '*.slnx', 'global.json'], likely: ['*.cs', '*.fs'] },
    commands: ['dotnet'],
    tools: ['csc', 'fsc'],
    image: RUNTIME_IMAGES.dotnet,
  },
  {
    id: 'c',
    title: 'C/C++',
    files: {
      strong: ['CMakeLists.txt', 'meson.build', '*.c', '*.cpp', '*.cc', '*.cxx'],
      likely: ['configure', 'configure.ac', '*.h', '*.hpp'],
      weak: ['Makefile', 'makefile', 'GNUmakefile'],
    },
    commands: ['gcc', 'g++', 'cc', 'c++', 'make'],
    tools: ['clang', 'clang++', 'cmake'],
    image: RUNTIME_IMAGES.c,
  },
  {
    id: 'php',
    title: 'PHP',
    files: { strong: ['composer.json', 'composer.lock', '*.php'] },
    commands: ['php'],
    tools: ['composer'],
    image: 'php:8.3-alpine',
  },
  {
    id: 'elixir',
    title: 'Elixir',
    files: { strong: ['mix.exs', 'mix.lock'], likely: ['*.ex', '*.exs'] },
    commands: ['elixir', 'mix', 'iex'],
    tools: [],
    image: 'elixir:1.16-alpine',
  },
  {
    id: 'shell',
    title: 'Shell',
    files: { likely: ['*.sh'] },
    commands: ['sh', 'ash'],
    tools: ['bash', 'zsh'],
    image: DEFAULT_IMAGE,
  },
  {
    id: 'lua',
    title: 'Lua',
    files: { strong: ['*.lua', '.luacheckrc', '*.rockspec'] },
    commands: ['lua'],
    tools: ['luajit', 'luarocks'],
    image: 'nickblah/lua:5.4-alpine',
  },
  {
    id: 'terraform',
    title: 'Terraform',
    files: { strong: ['*.tf', '*.tfvars', 'terraform.tfstate', '.terraform.lock.hcl'] },
    commands: ['terraform'],
    tools: [],
    image: 'hashicorp/terraform:1.10',
  },
]
