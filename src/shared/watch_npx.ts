import { spawn } from "node:child_process";
import process from "node:process";

/**
 * Ends with 0 when one of the processes between npx and us has lost its parent, because npx ended; with 1
 * if no npx is above us: some other launcher, which may end before us. A shell looks, because Deno lets no
 * program read /proc that has not all permissions. `$1` is our process, `$2` its parent.
 */
const script = `
parent_of() {
  parent=0
  while read -r name value; do
    if [ "$name" = PPid: ]; then parent=$value; return; fi
  done 2>/dev/null < "/proc/$1/status"
}
pid=$2
links=
while [ "$pid" -gt 1 ]; do
  case $(tr '\\0' '|' 2>/dev/null < "/proc/$pid/cmdline") in
    'npm exec'*|*/npx'|'*|*/npx-cli.js'|'*|*/npm-cli.js'|'*) found=yes; break;;
  esac
  parent_of "$pid"
  links="$links $pid:$parent"
  pid=$parent
done
[ "$found" = yes ] || exit 1
while kill -0 "$1" 2>/dev/null; do
  for link in $links; do
    parent_of "\${link%:*}"
    [ "$parent" = "\${link#*:}" ] || exit 0
  done
  sleep 0.5
done
exit 1`;

/**
 * Calls back when the `npx` ends that started us; on Linux, and where we may start a shell.
 * `npx -y deno task start` passes no SIGTERM on to us; without this we would run on after it.
 */
export function watchNpx(ended: () => void): void {
  if (process.env.npm_command !== "exec" || process.platform !== "linux") return;
  try {
    const child = spawn("sh", ["-c", script, "sh", String(process.pid), String(process.ppid)], {
      stdio: "ignore",
    });
    child.on("error", () => {});
    child.on("exit", (code) => {
      if (code === 0) ended();
    });
    // This alone must not keep the program alive
    child.unref();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotCapable)) throw error;
  }
}
