import { describe, expect, test } from 'bun:test'
import { parseGitRule } from '../../contract/git-rules.ts'
import { gitRequest } from './push-path.ts'

describe('requests to a host with git rules', () => {
  test.each([
    ['POST', '/org/app.git/git-receive-pack', 'org/app'],
    ['POST', '/org/app/git-receive-pack?x=1', 'org/app'],
    ['POST', '/a/b/c.git/git-receive-pack', 'a/b/c'],
  ])('%s %s pushes to %s', (method, target, repo) => {
    expect(gitRequest(method, target)).toEqual({ kind: 'push', repo })
  })

  test.each([
    ['GET', '/org/app.git/info/refs?service=git-receive-pack'],
    ['POST', '/org/app.git/git-upload-pack'],
    ['PUT', '/org/app.git/info/lfs/objects/abc'],
    ['GET', '/org/app/100%25.txt'],
  ])('%s %s does not push', (method, target) => {
    expect(gitRequest(method, target).kind).toBe('other')
  })

  test.each([
    ['POST', '/org/app.git/git%2Dreceive-pack'],
    ['POST', '/org/app.git/git%252Dreceive-pack'],
    ['POST', '/org/app.git/GIT-receive-pack'],
    ['POST', '/org/../other/git-receive-pack'],
    ['POST', '/org//app/git-receive-pack'],
    ['POST', '/org/app/git-receive-pack/'],
    ['POST', '/org/app;x/git-receive-pack'],
    ['POST', '/%ff/git%2dreceive-pack'],
    ['POST', '/a%25252525252562'],
    ['PUT', '/org/app.git/git-receive-pack'],
    ['PUT', '/org/app.git/refs/heads/main'],
    ['PUT', '/org/app.git/re%66s/heads/main'],
    ['DELETE', '/org/app.git/packed-refs'],
    ['MOVE', '/org/app.git/refs/heads/x'],
    ['LOCK', '/org/app.git/refs/heads/x'],
  ])('%s %s is refused', (method, target) => {
    expect(gitRequest(method, target).kind).toBe('denied')
  })
})

describe('--git-push', () => {
  test('makes rules of a host, its repositories and refs', () => {
    expect(parseGitRule('Git.Example.com/org/*=agent/*,+refs/tags/x')).toEqual([
      { host: 'git.example.com', repos: ['org/*'], push: ['refs/heads/agent/*'], force: false, delete: false },
      { host: 'git.example.com', repos: ['org/*'], push: ['refs/tags/x'], force: true, delete: false },
    ])
    expect(parseGitRule('git.example.com=main')).toEqual([
      { host: 'git.example.com', repos: ['*'], push: ['refs/heads/main'], force: false, delete: false },
    ])
  })

  test.each([
    '',
    'git.example.com',
    '=x',
    'git.example.com=',
    'git.example.com=a,,b',
    'https://git.example.com=x',
    'a/*b=x',
    'h/=x',
    'h/a/../b=x',
    'h=a*b',
    'h=a..b',
    'h=a b',
    '*.x=y',
  ])('%p is refused', (text) => {
    expect(parseGitRule(text)).toHaveProperty('problem')
  })
})
