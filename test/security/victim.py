# A process of the caller on the host, outside every sandbox: it holds a secret in its environment, arguments and
# memory, and listens wherever something may listen. It says on stdout where, and records who comes.
import json, os, signal, socket, sys, threading

folder, token = sys.argv[1], sys.argv[2]
visitors = os.path.join(folder, "visitors")


def serve(server):
    while True:
        peer, _ = server.accept()
        with open(visitors, "a") as file:
            file.write("connected to %s\n" % (server.getsockname(),))
        peer.sendall(token.encode())
        peer.close()


def listen(family, address):
    server = socket.socket(family, socket.SOCK_STREAM)
    server.bind(address)
    server.listen(16)
    threading.Thread(target=serve, args=(server,), daemon=True).start()
    return server.getsockname()


path = listen(socket.AF_UNIX, os.path.join(folder, "agent.sock"))
abstract = listen(socket.AF_UNIX, "\0agentkernel-" + token)
port = listen(socket.AF_INET, ("0.0.0.0", 0))[1]
signal.signal(signal.SIGUSR1, lambda *_: open(visitors, "a").write("signalled\n"))
print(json.dumps({"pid": os.getpid(), "unix": path, "abstract": "agentkernel-" + token, "port": port}), flush=True)
sys.stdin.read()
