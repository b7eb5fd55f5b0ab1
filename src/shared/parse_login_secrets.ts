/** Bytes of a secret that passwords are derived from. */
export const loginSecretBytes = 32;

/**
 * Reads secrets in base64, with commas or line ends between them.
 *
 * @returns at least one; the first is the current one
 * @throws {TypeError} saying which one is wrong and why, without repeating any of it
 */
export function parseLoginSecrets(text: string): Uint8Array[] {
  const parts = text.split(/[,\s]+/).filter(Boolean);
  if (parts.length === 0) throw new TypeError("Has no secret");
  return parts.map((part, index) => {
    const bytes = Buffer.from(part, "base64");
    // Buffer skips what is no base64
    const isBase64 = bytes.toString("base64").replace(/=+$/, "") === part.replace(/=+$/, "");
    if (!isBase64 || bytes.length !== loginSecretBytes) {
      throw new TypeError(
        `Secret ${index + 1} is not ${loginSecretBytes} bytes in base64; ` +
          "`openssl rand -base64 32` makes one",
      );
    }
    return bytes;
  });
}
