"""Tests that the commands, flags, files, links and make targets of the documents exist."""

import ast
import re

import pytest

from tests.docs import documents
from tests.docs.source import ROOT, place, python_files, syntax

_OWN_FLAGS = {"flagfile", "help"}
"""Flags that absl gives to every program."""

_FOLDERS_OF_RUNS = ("runs/", "DIR/", "OUT", "build/")
_FILES_OF_RUNS = {"config.gin"}
_FILE_ENDINGS = (".py", ".gin", ".md", ".sh", ".yaml", ".yml", ".txt", ".flags", ".toml")
_SEARCHED = (ROOT, ROOT / "sac_tf", ROOT / "gin_configs", ROOT / "tests")
"""Folders that a path in a document may be relative to."""

_IN_DEPLOY = re.compile(r"binaries\.(\w+)((?:(?:[\s,]|- )+--\w+(?:=(?:\"[^\"]*\"|[^\s,\]]+))?)*)")


def _flags(path):
    """Returns {flag: "string", "integer", "enum", ...} of the program in a file."""
    return {
        node.args[0].value: node.func.attr.removeprefix("DEFINE_")
        for node in ast.walk(syntax(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr.startswith("DEFINE_")
    }


def _choices(path):
    """Returns {flag: values that it takes} of the enumeration flags of a program."""
    calls = [node for node in ast.walk(syntax(path)) if isinstance(node, ast.Call)]
    return {
        call.args[0].value: set(ast.literal_eval(call.args[2]))
        for call in calls
        if ast.unparse(call.func).endswith("DEFINE_enum")
    }


def _file_of(module):
    return (ROOT / module.replace(".", "/")).with_suffix(".py")


def _wrong_flags(path, arguments):
    """Returns the flags in command-line arguments that a program does not have."""
    flags = _flags(path)
    choices = _choices(path)
    wrong = []
    for argument in arguments:
        name, _, value = argument.strip("[]").removeprefix("--").partition("=")
        if not argument.strip("[]").startswith("--") or name in _OWN_FLAGS:
            continue
        is_number = value.isdigit() or "$" in value or flags.get(name) != "integer"
        is_choice = name not in choices or set(value.split("|")) <= choices[name]
        if name not in flags or not is_number or not is_choice:
            wrong.append(argument)
    return wrong


def _programs():
    """Returns {name: file} of the programs."""
    files = python_files("binaries")
    return {path.stem: path for path in files if 'if __name__ == "__main__"' in path.read_text()}


def _expand(token):
    """Returns the paths that a token with {braces,} names."""
    braces = re.search(r"\{(.*?)\}", token)
    if braces is None:
        return [token]
    names = [name for name in braces[1].split(",") if name != "..."]
    return [token.replace(braces[0], name) for name in names]


def _looks_like_a_path(token):
    is_run_file = token in _FILES_OF_RUNS or token.startswith(_FOLDERS_OF_RUNS)
    if is_run_file or not re.fullmatch(r"[\w./{},-]+", token):
        return False
    folders = {path.name for path in ROOT.iterdir() if path.is_dir()}
    starts_in_tree = "/" in token and token.split("/")[0] in folders
    return starts_in_tree or token.endswith(_FILE_ENDINGS)


def _exists(page, path):
    return any((folder / path).exists() for folder in (*_SEARCHED, page.parent))


def _code(page):
    """Returns code spans and lines of code blocks."""
    lines = [line for _, text in documents.blocks(page) for line in text.splitlines()]
    return documents.spans(page) + lines


def test_commands_name_programs_and_flags_that_exist():
    wrong = []
    for page, module, arguments in documents.commands():
        path = _file_of(module)
        if not path.is_file():
            wrong.append(f"{place(page)}: {module}")
        else:
            unknown = _wrong_flags(path, arguments)
            wrong += [f"{place(page)}: {module} {argument}" for argument in unknown]
    assert not wrong, "\n".join(wrong)


def test_documents_have_commands():
    assert len(list(documents.commands())) > 15


def test_flags_and_programs_in_code_spans_exist():
    programs = _programs()
    flags = {flag for path in programs.values() for flag in _flags(path)} | _OWN_FLAGS
    wrong = []
    for page in documents.PAGES:
        for span in documents.spans(page):
            named = re.fullmatch(r"--(\w+)(?:=.*)?", span)
            program = re.fullmatch(r"binaries\.(\w+)", span)
            is_wrong_flag = named is not None and named[1] not in flags
            is_wrong_program = program is not None and program[1] not in programs
            if is_wrong_flag or is_wrong_program:
                wrong.append(f"{place(page)}: {span}")
    assert not wrong, "\n".join(wrong)


def test_deploy_names_programs_and_flags_that_exist():
    programs = _programs()
    wrong = []
    for path in sorted((ROOT / "deploy").rglob("*")):
        if path.suffix in {".yaml", ""} and path.is_file():
            for program, rest in _IN_DEPLOY.findall(path.read_text()):
                arguments = re.findall(r"--\w+(?:=\S+)?", rest)
                if program not in programs:
                    wrong.append(f"{place(path)}: {program}")
                elif program:
                    unknown = _wrong_flags(programs[program], [a.rstrip(",]") for a in arguments])
                    wrong += [f"{place(path)}: {program} {argument}" for argument in unknown]
    assert not wrong, "\n".join(wrong)


def test_programs_show_flags_that_they_have():
    wrong = []
    for name, path in _programs().items():
        usage = ast.get_docstring(syntax(path))
        shown = re.findall(r"(?<!\S)--(\w+)", usage)
        wrong += [f"binaries/{name}.py: --{flag}" for flag in set(shown) - set(_flags(path))]
    assert not wrong, "\n".join(wrong)


def test_every_program_is_documented():
    text = "".join(page.read_text() for page in documents.PAGES)
    assert [name for name in _programs() if f"binaries.{name}" not in text] == []


def test_files_in_code_spans_exist():
    wrong = [
        f"{place(page)}: {path}"
        for page in documents.PAGES
        for span in documents.spans(page)
        if _looks_like_a_path(span)
        for path in _expand(span)
        if not _exists(page, path)
    ]
    assert not wrong, "\n".join(wrong)


def test_gin_files_in_code_exist():
    wrong = [
        f"{place(page)}: {path}"
        for page in documents.PAGES
        for line in _code(page)
        for path in re.findall(r"\bgin_configs/[a-z_/]+\.gin", line)
        if not (ROOT / path).is_file()
    ]
    assert not wrong, "\n".join(wrong)


def test_links_lead_to_files_and_headings():
    wrong = []
    for page in documents.PAGES:
        for link in documents.links(page):
            path, _, anchor = link.partition("#")
            target = (page.parent / path).resolve() if path else page
            is_broken = not target.exists()
            if anchor and not is_broken:
                is_broken = anchor not in documents.anchors(target)
            if is_broken:
                wrong.append(f"{place(page)}: {link}")
    assert not wrong, "\n".join(wrong)


def test_make_targets_and_variables_exist():
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))
    known = set(re.findall(r"[A-Z][A-Z_]+", makefile))
    wrong = []
    for page in documents.PAGES:
        for code in _code(page):
            for target, rest in re.findall(r"(?:^|[;&] *)make ([a-z][a-z-]*)([^#]*)", code):
                variables = re.findall(r"\b([A-Z][A-Z_]+)=", rest)
                unknown = ({target} - targets) | (set(variables) - known)
                wrong += [f"{place(page)}: {name}" for name in sorted(unknown)]
    assert not wrong, "\n".join(wrong)


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) < 200


@pytest.mark.parametrize(
    "word", ["resume", "reproducible", "hyperparameter", "fine-tune", "UTD ratio", "timeout"]
)
def test_readme_has_the_word_of_the_field(word):
    assert word.lower() in (ROOT / "README.md").read_text().lower()
