"""`understudy VERB key=value ...`: a verb is a root config in `conf/`; Hydra does the rest."""

import difflib
import errno
import os
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from typing import Any, NoReturn

import hydra
import yaml
from hydra.errors import HydraException, InstantiationException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from understudy.errors import UserError

CONFIG_PATH = "pkg://understudy.conf"


def verbs() -> dict[str, str]:
    """Every verb and what it does, from the first line of its config."""
    files = [f for f in resources.files("understudy.conf").iterdir() if f.name.endswith(".yaml")]
    return {
        f.name.removesuffix(".yaml"): f.read_text("utf-8").splitlines()[0].removeprefix("# ")
        for f in sorted(files, key=lambda f: f.name)
    }


def main() -> None:
    """Exit codes: 0 done, 1 some items were set aside (listed), 2 the request was wrong."""
    known = verbs()
    verb = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if {"-h", "--help"} & {verb, *sys.argv} and hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `--help | head` is no error
    if verb in ("-h", "--help"):
        print("understudy VERB [key=value ...]      understudy VERB --help says more\n")
        print("\n".join(f"  {name:<10}{what}" for name, what in known.items()))
        sys.exit(0)
    if verb not in known:
        close = difflib.get_close_matches(verb, known, n=1)
        hint = f"did you mean {close[0]}?" if close else f"the verbs are {', '.join(known)}"
        _fail(f"there is no verb {verb!r}; {hint}")
    del sys.argv[1]
    sys.argv[0] = f"understudy {verb}"
    if {"-h", "--help"} & set(sys.argv):
        sys.argv += _any_choice(verb)
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors come here, where they are made readable
    # OpenMP threads that spin while they wait make everything crawl when another program wants a core
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    results: list[int] = []

    @hydra.main(version_base="1.3", config_path=CONFIG_PATH, config_name=verb)
    def command(config: DictConfig) -> None:
        with readable_errors():  # in here: Hydra adds lines of its own to what leaves a job
            plain = OmegaConf.to_container(config, resolve=False)
            assert isinstance(plain, dict)
            if missing := _missing(plain, plain["verb"], "verb"):
                raise UserError(
                    f"{verb} also needs {', '.join(f'{key}=...' for key in dict.fromkeys(missing))}; "
                    f"`understudy {verb} --help` says what that is"
                )
            results.append(hydra.utils.call(config.verb) or 0)

    with readable_errors():
        command()
    sys.exit(max(results, default=0))


@contextmanager
def readable_errors() -> Iterator[None]:
    """Ends the program with one line for what a person can mend; what is a bug keeps its traceback."""
    try:
        yield
    except KeyboardInterrupt:
        _fail("stopped; what was finished is kept", code=130)
    except Exception as error:
        cause: BaseException = error
        while isinstance(cause, InstantiationException) and cause.__cause__:
            cause = cause.__cause__
        if isinstance(cause, UserError):
            _fail(str(cause))
        if isinstance(cause, HydraException | OmegaConfBaseException):
            _fail(_readable(cause))
        if isinstance(cause, OSError) and cause.errno in (
            errno.EFBIG,
            errno.ENOSPC,
            errno.EDQUOT,
            errno.EACCES,
            errno.EROFS,
            errno.ENOTDIR,
            errno.EEXIST,
        ):
            _fail(f"{cause.filename or 'writing'}: {cause.strerror}; nothing half-written was left")
        raise cause from None


def _missing(config: Any, node: Any, name: str) -> list[str]:
    """Settings that `node` of the plain `config` needs and the person has to give, as dotted names."""
    if node == "???":
        return [name]
    if isinstance(node, dict):
        return [m for key, value in node.items() for m in _missing(config, value, f"{name}.{key}")]
    found = []
    for reference in re.findall(r"\$\{([\w.]+)\}", node) if isinstance(node, str) else ():
        value = config
        for key in reference.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        found += _missing(config, value, reference)
    return found


def _any_choice(verb: str) -> list[str]:
    """Overrides that fill in the required choices, so that --help can show settings at all."""
    conf = resources.files("understudy.conf")
    defaults = yaml.safe_load(conf.joinpath(f"{verb}.yaml").read_text("utf-8"))["defaults"]
    required = [k for d in defaults if isinstance(d, dict) for k, v in d.items() if v == "???"]
    given = {argument.split("=")[0] for argument in sys.argv}
    return [
        f"{group}={min(f.name for f in conf.joinpath(group).iterdir()).removesuffix('.yaml')}"
        for group in required
        if group not in given
    ]


def _readable(error: Exception) -> str:
    """One line from Hydra's several: what was given and what could have been."""
    text = " ".join(str(error).split())
    if match := re.search(r"You must specify '([^']+)'.*?Available options:\s*(.*)", text):
        return f"choose {match[1]}=...: {', '.join(match[2].split())}"
    if match := re.search(
        r"Could not find '(.+)/([^']+)' Available options in '[^']*':\s*(.*?)(?: Config search path|$)",
        text,
    ):
        return f"there is no {match[1]}={match[2]}; choose one of {', '.join(match[3].split())}"
    if "override_grammar" in text:
        what = text.split(" See ")[0]
        return f"a setting cannot be understood ({what}); quote URLs and paths twice: 'key=\"VALUE\"'"
    if match := re.search(r"Could not override '([^']+)'", text):
        return f"there is no setting {match[1]!r}; --cfg job shows them all"
    return text


def _fail(message: str, code: int = 2) -> NoReturn:
    print(f"understudy: {message}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
