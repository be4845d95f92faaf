"""The public face of RPC."""

import importlib
import subprocess
import sys

import pytest

from mainstay import rpc


def test_every_name_is_public_in_its_home() -> None:
    """What `mainstay.rpc` offers is what the file that it names offers, under the same name."""
    assert sorted(rpc._HOMES) == rpc.__all__
    for name, home in rpc._HOMES.items():
        place = importlib.import_module(home)
        assert name in place.__all__
        assert getattr(rpc, name) is getattr(place, name)


def test_a_name_hides_no_module() -> None:
    """`mainstay.rpc.definition` is the module, whoever asks first."""
    for name in rpc._HOMES:
        with pytest.raises(ImportError):
            importlib.import_module(f"mainstay.rpc.{name}")


def test_declaring_a_service_loads_no_protobuf() -> None:
    """Neither the face nor a definition by code does, before something is made of it."""
    script = (
        "import sys, mainstay.rpc\n"
        "assert not [each for each in sys.modules if each.startswith('mainstay.rpc.')]\n"
        "from mainstay import Service\n"
        "from mainstay.rpc import Rpc\n"
        "rpc = Rpc('a.B')\n"
        "Service('a').add_rpc(rpc)\n"
        "assert 'google' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=240)


def test_without_protobuf_it_says_what_to_install() -> None:
    """Where a name needs it, and where a service does; the compiler of files has an extra."""
    script = (
        "import sys\n"
        "sys.modules['google'] = None\n"
        "from mainstay import Service\n"
        "from mainstay.rpc import Rpc\n"
        "import mainstay.rpc\n"
        "try: mainstay.rpc.load_proto\n"
        "except ImportError as error: assert 'mainstay[proto]' in str(error), error\n"
        "else: raise SystemExit('no error')\n"
        "from mainstay.errors import WiringError\n"
        "try: list(Rpc('a.B').service)\n"
        "except WiringError as error: assert 'mainstay[grpc]' in str(error), error\n"
        "else: raise SystemExit('no error')\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=240)


def test_it_answers_as_any_module_does() -> None:
    """An unknown name is an AttributeError; `dir` lists the known ones."""
    name = "no_such_name"
    with pytest.raises(AttributeError, match=name):
        getattr(rpc, name)
    assert set(rpc.__all__) <= set(dir(rpc))
