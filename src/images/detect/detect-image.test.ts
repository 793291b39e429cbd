import { describe, expect, test } from 'bun:test'
import { detectImage, type DetectImageInput } from './detect-image.ts'
import { LANGUAGES } from './languages.ts'
import { DEFAULT_IMAGE, RUNTIME_IMAGES, RUNTIME_NAMES } from './runtime-images.ts'

const everything: DetectImageInput = {
  image: 'ubuntu:24.04',
  configImage: 'debian:12',
  command: ['python3', 'x.py'],
  projectEntries: [{ name: 'go.mod', isDirectory: false }],
  procfile: 'web: ruby x.rb',
}
/** `everything` without the named fields. */
function without(...keys: (keyof DetectImageInput)[]): DetectImageInput {
  return Object.fromEntries(Object.entries(everything).filter(([key]) => !keys.some((gone) => gone === key)))
}
const pick = (input: DetectImageInput): string[] => {
  const { source, image, language } = detectImage(input)
  return [source, image, language ?? '-']
}

describe('detectImage', () => {
  test('asks flag, configuration, command, files, Procfile, in this order', () => {
    expect(pick(everything)).toEqual(['flag', 'ubuntu:24.04', '-'])
    expect(pick(without('image'))).toEqual(['config', 'debian:12', '-'])
    expect(pick(without('image', 'configImage'))).toEqual(['command', 'python:3.12-alpine', 'python'])
    expect(pick(without('image', 'configImage', 'command'))).toEqual(['files', 'golang:1.23-alpine', 'go'])
    expect(pick({ procfile: everything.procfile! })).toEqual(['procfile', 'ruby:3.3-alpine', 'ruby'])
    expect(pick({})).toEqual(['default', 'alpine:3.20', '-'])
  })

  test('lets the project speak before the command when asked to', () => {
    const input = { ...without('image', 'configImage'), prefer: 'project' } as const
    expect(pick(input)).toEqual(['files', 'golang:1.23-alpine', 'go'])
    expect(pick({ ...input, projectEntries: [] })).toEqual(['procfile', 'ruby:3.3-alpine', 'ruby'])
    expect(pick({ ...input, projectEntries: [], procfile: '' })).toEqual(['command', 'python:3.12-alpine', 'python'])
    expect(pick({ ...everything, prefer: 'project' })).toEqual(['flag', 'ubuntu:24.04', '-'])
  })

  test('goes on when the command belongs to no language', () => {
    expect(pick({ ...without('image', 'configImage'), command: ['make-believe'] })[0]).toBe('files')
    expect(pick({ command: ['echo', 'python3'] })).toEqual(['default', 'alpine:3.20', '-'])
  })

  test('takes empty values as nothing known', () => {
    expect(pick({ image: '', configImage: '', command: [], projectEntries: [], procfile: '' })[0]).toBe('default')
  })

  test('says why in one line', () => {
    expect(detectImage({ command: ['/usr/bin/python3.12'] }).reason).toBe('the command python3.12 belongs to Python')
    expect(detectImage({ projectEntries: [{ name: 'x\ny.tf', isDirectory: false }] }).reason).toBe('a file *.tf says Terraform')
    expect(detectImage({ procfile: 'web: npm start' }).reason).toBe(
      'the Procfile starts web with npm, which belongs to JavaScript/TypeScript',
    )
  })

  test('has an image for every runtime, the same as the language has', () => {
    for (const name of RUNTIME_NAMES) {
      const language = LANGUAGES.find(({ id }) => id === name)
      expect([name, RUNTIME_IMAGES[name]]).toEqual([name, language?.image ?? DEFAULT_IMAGE])
    }
  })

  test('uses only references that the image rule accepts', () => {
    for (const { image } of LANGUAGES) expect(image).toMatch(/^[A-Za-z0-9._/:@-]{1,256}$/)
  })
})
