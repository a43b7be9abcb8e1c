import pytest

from tests.bench.__main__ import PARTS, USED_BY, read_options


@pytest.mark.parametrize("option", USED_BY)
@pytest.mark.parametrize("part", [None, *PARTS])
def test_an_option_that_the_part_does_not_use_is_refused(
    option: str, part: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [*([part] if part else []), f"--{option}", "4"]
    if part in USED_BY[option]:
        assert str(getattr(read_options(arguments), option)) == "4"
        return
    with pytest.raises(SystemExit):
        read_options(arguments)
    said = capsys.readouterr().err
    assert f"{option.upper()} is used by PART=reports or PART=pages" in said
    assert "omit it" in said
