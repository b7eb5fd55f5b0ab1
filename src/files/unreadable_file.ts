/** A file that cannot be read at all; the message is written for its owner. */
export class UnreadableFile extends Error {
  override name = "UnreadableFile";
}
