import { GatewayError } from "../gateway_error.ts";

/** What a mutation by GET is refused with: caches, crawlers and links send such requests. */
export class MutationByGet extends GatewayError {
  constructor() {
    super("INVALID", "Send mutations by POST");
  }
}
