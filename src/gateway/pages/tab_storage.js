// The explorer keeps what it remembers in localStorage, for ever. Here it gets the tab's storage
// instead, which ends with the tab. This has to run before all other scripts.
Object.defineProperty(globalThis, "localStorage", { value: globalThis.sessionStorage });
