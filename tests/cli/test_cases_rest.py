"""What people hit, the rest: what is said where nothing trains, odd bytes, pointers, one of a thing, brackets."""

import promptlab
from promptlab.cli.main import main


def test_how_many_images_a_class_has_is_not_said_where_nothing_trains(tmp_path, capsys, caplog):
    words = ["dataset=demo_textures", "protocol=few_shot", "shots=200", f"results={tmp_path}"]
    assert main(["learner=zero_shot", *words]) == 0
    out = capsys.readouterr().out
    assert "images a class" not in out
    assert "fewer than" not in caplog.text
    (result,) = promptlab.load_results(tmp_path)
    assert not any("fewer than" in note for note in result.notes)
    assert main(["learner=tip_adapter", "learner.search=false", "views=0", *words]) == 0
    assert "images a class 32" in " ".join(capsys.readouterr().out.split())
    assert "12 classes have fewer than 200 training images, and all of them train" in caplog.text
    assert any("fewer than 200" in note for result in promptlab.load_results(tmp_path) for note in result.notes)
    assert main(["report", str(tmp_path)]) == 0
    assert "images a class" in " ".join(capsys.readouterr().out.split())
