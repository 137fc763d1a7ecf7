import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_generated_code_and_schema_are_those_of_their_sources() -> None:
    result = subprocess.run(
        [sys.executable, str(ROOT / "protos" / "generate.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout == "up to date\n"


def test_the_error_table_is_complete() -> None:
    from wavelane.errors import STATUS, ErrorCode

    readme = (ROOT / "server" / "README.md").read_text()
    for code in ErrorCode:
        status = STATUS[code]
        assert f"| `{code.value}` | {status.websocket} | {status.grpc} | {status.http} |" in readme
