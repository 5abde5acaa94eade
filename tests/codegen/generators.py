"""Generates types from a schema, and makes a program that reads messages into them; each returns its command."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
READERS: Final = HERE / "readers"
API: Final = HERE.parents[1] / "docs" / "api"
SECONDS: Final = 500.0

Command = list[str]


class CodegenError(Exception):
    """A generator, a compiler or a reader failed. The message is the end of what it printed."""


def run(command: Command, cwd: Path) -> str:
    """Return what the command prints. Raises CodegenError."""
    done = subprocess.run(
        command, cwd=cwd, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=SECONDS
    )
    if done.returncode != 0:
        raise CodegenError(f"{' '.join(command)}: {(done.stdout + done.stderr)[-2000:]}")
    return done.stdout


def install_python(tools: Path) -> None:
    """Install datamodel-code-generator into `tools/venv`."""
    uv = str(Path(sys.executable).parent / "uv")
    python = str(tools / "venv" / "bin" / "python")
    run([uv, "venv", "-q", "--python", sys.executable, "venv"], tools)
    run(
        [uv, "pip", "install", "-q", "--python", python, "--require-hashes", "-r", str(HERE / "requirements.txt")],
        tools,
    )


def install_others(tools: Path) -> None:
    """Install quicktype, Modelina, TypeScript and Jackson into `tools`."""
    for name in ("package.json", "package-lock.json", "modelina.mjs"):
        shutil.copy(HERE / name, tools)
    run(["npm", "ci", "--ignore-scripts"], tools)
    fetch = ["mvn", "-q", "-B", "-C", "-f", str(HERE / "pom.xml"), "dependency:copy-dependencies"]
    run([*fetch, f"-DoutputDirectory={tools / 'jars'}"], tools)


def pydantic(tools: Path, kind: str, room: Path) -> Command:
    """datamodel-code-generator, pydantic v2."""
    options = ["--input-file-type", "jsonschema", "--use-title-as-name", "--output-model-type", "pydantic_v2.BaseModel"]
    written = ["--formatters", "builtin", "--output", "message.py"]
    run([str(tools / "venv/bin/datamodel-codegen"), "--input", _schema(kind), *options, *written], room)
    title: str = json.loads(Path(_schema(kind)).read_text())["title"]
    root = "".join(word.capitalize() for word in title.split())
    (room / "read.py").write_text((READERS / "read.py").read_text().replace("ROOT", root))
    return [str(tools / "venv/bin/python"), "read.py"]


def quicktype_go(tools: Path, kind: str, room: Path) -> Command:
    """quicktype, Go: identities become float64."""
    _quicktype(tools, kind, "go", room / "message.go")
    shutil.copy(READERS / "main.go", room)
    run(["go", "build", "-o", "read", "message.go", "main.go"], room)
    return ["./read"]


def quicktype_go_number(tools: Path, kind: str, room: Path) -> Command:
    """quicktype, Go with json.Decoder.UseNumber. The file of messages stands before the option."""
    return ["sh", "-c", f'{quicktype_go(tools, kind, room)[0]} "$0" number']


def quicktype_typescript(tools: Path, kind: str, room: Path) -> Command:
    """quicktype, TypeScript."""
    _quicktype(tools, kind, "typescript", room / "message.ts")
    return _compile_typescript(tools, room, "quicktype.ts", "")


def quicktype_java(tools: Path, kind: str, room: Path) -> Command:
    """quicktype, Java with Jackson."""
    target = room / "io" / "quicktype"
    target.mkdir(parents=True)
    _quicktype(tools, kind, "java", target / "Message.java")
    return _compile_java(tools, room, "Quicktype.java", "")


def modelina_typescript(tools: Path, kind: str, room: Path) -> Command:
    """Modelina, TypeScript."""
    return _compile_typescript(tools, room, "modelina.ts", _modelina(tools, kind, "typescript", room))


def modelina_java(tools: Path, kind: str, room: Path) -> Command:
    """Modelina, Java with Jackson."""
    return _compile_java(tools, room, "Modelina.java", _modelina(tools, kind, "java", room / "modelina"))


def _schema(kind: str) -> str:
    return str(API / f"{kind}.schema.json")


def _quicktype(tools: Path, kind: str, language: str, target: Path) -> None:
    named = ["--top-level", "Message", "--out", str(target)]
    run(
        [str(tools / "node_modules/.bin/quicktype"), "--src-lang", "schema", "--lang", language, *named, _schema(kind)],
        tools,
    )


def _modelina(tools: Path, kind: str, language: str, target: Path) -> str:
    """Return the name of the root's type."""
    return run(["node", "modelina.mjs", _schema(kind), language, str(target)], tools).split()[-1]


def _compile_typescript(tools: Path, room: Path, reader: str, root: str) -> Command:
    text = (READERS / reader).read_text()
    (room / reader).write_text(text.replace("ROOT", root) if root else text)
    (room / "package.json").write_text('{"type": "commonjs"}')  # Modelina's imports have no extension
    (room / "node_modules").symlink_to(tools / "node_modules")
    options = ["--strict", "--target", "es2022", "--module", "commonjs", "--types", "node", "--skipLibCheck"]
    run([str(tools / "node_modules/.bin/tsc"), *options, reader], room)
    return ["node", reader.replace(".ts", ".js")]


def _compile_java(tools: Path, room: Path, reader: str, root: str) -> Command:
    text = (READERS / reader).read_text()
    (room / reader).write_text(text.replace("ROOT", root) if root else text)
    classpath = f"{tools / 'jars'}/*{os.pathsep}."
    # a union makes a file without a name, and nothing refers to it
    sources = [str(path.relative_to(room)) for path in room.rglob("*.java") if path.stem.isidentifier()]
    run(["javac", "-cp", classpath, *sources], room)
    return ["java", "-cp", classpath, reader.removesuffix(".java")]


GENERATORS: Final[tuple[Callable[[Path, str, Path], Command], ...]] = (
    pydantic,
    quicktype_go,
    quicktype_go_number,
    quicktype_typescript,
    quicktype_java,
    modelina_typescript,
    modelina_java,
)
