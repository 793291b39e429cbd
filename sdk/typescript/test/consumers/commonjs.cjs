// What a program of old does with the package: `require`, and a promise chain. Argument: address of the server.
const { AgentKernel, BROWSER_SETUP_CMD, NotFoundError } = require('agentkernel')

const client = new AgentKernel({ baseUrl: process.argv[2], apiKey: 'key-1' })
client.run(['echo', 'hi']).then(({ output }) =>
  client.getSandbox('missing').catch((error) => {
    console.log(JSON.stringify([output, error instanceof NotFoundError, Array.isArray(BROWSER_SETUP_CMD)]))
  }),
)
