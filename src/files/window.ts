import { Buffer } from "node:buffer";

/**
 * The part of a stream of bytes that is looked at: it grows at its end, and what was read is dropped. One
 * character a byte: what separates records is ASCII, and positions are those of the bytes.
 */
export class Window {
  /** What is there. */
  text = "";
  /** Whether nothing more comes. */
  isWhole = false;
  /** How many bytes were dropped before it. */
  #dropped = 0;
  readonly #chunks: AsyncIterator<Uint8Array>;

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** Takes more of the stream: once and a half of what is there, so that long records are not read too often. */
  async grow(): Promise<void> {
    const parts = [this.text];
    for (let wanted = Math.max(1, this.text.length / 2); wanted > 0;) {
      const { value, done } = await this.#chunks.next();
      if (done) {
        this.isWhole = true;
        break;
      }
      parts.push(Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("latin1"));
      wanted -= value.byteLength;
    }
    this.text = parts.join("");
  }

  /** Drops what comes before a position, which is 0 then. */
  drop(position: number): void {
    this.text = this.text.slice(position);
    this.#dropped += position;
  }

  /** Where a position is in the stream. */
  placeOf(position: number): number {
    return this.#dropped + position;
  }

  /** The bytes of a part. */
  bytes(start: number, end: number): Uint8Array {
    return Buffer.from(this.text.slice(start, end), "latin1");
  }
}
