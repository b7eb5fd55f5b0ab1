/** What may be on its way to a client; more waits until it has read. */
export const mostBufferedBytes = 1024 * 1024;
/** Silence after which something is sent, so that nobody in between takes a connection for dead. */
export const keepAliveMs = 15_000;
