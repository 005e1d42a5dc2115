// A target that parses HTTP/1.1 as Node.js does, and prints each request that it took for one.

import { createServer } from 'node:http';

const server = createServer((request, response) => {
  const early = request.url.endsWith('/early');
  const answer = request.headers['x-probe'] ?? '';
  const chunks = [];
  if (early) response.end(answer);
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    console.log(JSON.stringify({
      id: answer,
      method: request.method,
      target: request.url,
      authorization: request.headers.authorization ?? '',
      forwarded_for: request.headers['x-forwarded-for'] ?? '',
      body: Buffer.concat(chunks).toString('latin1'),
      trailers: request.rawTrailers.length,
      whole: 'OK',
    }));
    if (!early) response.end(answer);
  });
});
server.on('clientError', (_, socket) => socket.destroy());
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ port: server.address().port })));
