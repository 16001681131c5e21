// The npm package `ws`: PORT echo|broadcast. Node raises the limit of file
// descriptors by itself.
import WebSocket, { WebSocketServer } from 'ws';

const [port, mode] = process.argv.slice(2);
if (mode !== 'echo' && mode !== 'broadcast') throw new Error(`no such mode: ${mode}`);

const server = new WebSocketServer({
  host: '127.0.0.1',
  port: Number(port),
  backlog: 4096,
  maxPayload: 16 * 1024 * 1024,
  perMessageDeflate: false,
});
server.on('connection', (socket) => {
  socket.on('error', () => {});
  if (mode === 'echo') {
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
  } else {
    // As the README's "Server broadcast": the same bytes to all.
    socket.on('message', (data, isBinary) => {
      server.clients.forEach((client) => {
        if (client.readyState === WebSocket.OPEN) client.send(data, { binary: isBinary });
      });
    });
  }
});
