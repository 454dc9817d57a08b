from pathlib import Path

from deploy.logfile import LogFile


def test_a_full_log_file_is_set_aside_and_the_oldest_dropped(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "worker.log", max_bytes=20, keep=2)

    for number in range(8):
        log.write(f"line {number}\n".encode())
    log.close()

    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "worker.log": "line 6\nline 7\n",
        "worker.log.1": "line 4\nline 5\n",
        "worker.log.2": "line 2\nline 3\n",
    }


def test_a_line_longer_than_the_bound_is_kept_whole(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "worker.log", max_bytes=10)

    log.write(b"x" * 50 + b"\n")
    log.close()

    assert (tmp_path / "worker.log").stat().st_size == 51


def test_a_new_start_appends_to_what_the_last_one_wrote(tmp_path: Path) -> None:
    (tmp_path / "worker.log").write_text("before\n")
    log = LogFile(tmp_path / "worker.log")

    log.write(b"after\n")
    log.close()

    assert (tmp_path / "worker.log").read_text() == "before\nafter\n"


def test_a_full_disk_loses_lines_and_the_next_one_says_how_many(tmp_path: Path) -> None:
    path = tmp_path / "worker.log"
    path.symlink_to("/dev/full")
    log = LogFile(path)
    log.write(b"lost\n")
    log.write(b"lost too\n")
    path.unlink()

    log.write(b"there is room again\n")

    log.close()
    assert path.read_text() == "(2 lines could not be written)\nthere is room again\n"
