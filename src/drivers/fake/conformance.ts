const nothingInside = 'no process exists inside that could look or attack'
const noFiles = 'has no file system, so files are neither shown nor changed'

/** Cases of the driver conformance suite that this driver cannot pass, each with the reason. */
export const skip: Readonly<Record<string, string>> = {
  'a writer whose reader goes away is ended by SIGPIPE': 'knows no command that writes without end',
  'no signal is blocked or ignored when the command starts': nothingInside,
  'no descriptor but the three streams is open in the command': nothingInside,
  'a script without an interpreter line that exists is an error and not a hang': noFiles,
  'no interface but the loopback exists inside': nothingInside,
  'a listener of the host on 127.0.0.1 cannot be reached': nothingInside,
  'a read-only root refuses every write outside /tmp': noFiles,
  'a root that is not read-only can be written without changing the host': noFiles,
  '/tmp is private, empty and writable': noFiles,
  '/tmp holds no more than its limit': noFiles,
  'a program can be started from /tmp when the permissions say so': noFiles,
  'no program can be started from /tmp when it is noexec': noFiles,
  'a copied workspace shows the project and never changes it': noFiles,
  'the changed files of a copied workspace are counted': noFiles,
  'an untouched copied workspace counts no changed files': noFiles,
  'a mounted workspace changes the real files': noFiles,
  'read-only parts of a mounted workspace stay as they are': noFiles,
  'hidden files cannot be read in a copied workspace': noFiles,
  'hidden files cannot be read in a mounted workspace': noFiles,
  'replaced files show their other content': noFiles,
  'without a workspace nothing of the project is shown': noFiles,
}

/** The same, of the cases of sandboxes that stay. */
export const skipSandboxes: Readonly<Record<string, string>> = {
  'an image that is not there is refused': 'needs no image',
}
