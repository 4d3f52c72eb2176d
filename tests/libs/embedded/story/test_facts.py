from yoyaku.embedded.story.facts import Fact, Facts


def test_a_story_is_true_when_every_fact_held() -> None:
    heard: list[Fact] = []
    facts = Facts(on_fact=heard.append)
    assert facts.state("Race", "one wins", held=True, seen=1)
    assert facts.all_held
    assert not facts.state("Race", "none is lost", held=False, seen={"lost": 1})
    assert not facts.all_held
    assert [fact.text for fact in facts.failed] == ["none is lost"]
    assert facts.failed[0].seen == "{'lost': 1}"
    assert heard == facts.stated


def test_a_story_without_facts_is_not_true() -> None:
    assert not Facts(on_fact=lambda _: None).all_held


def test_what_was_seen_is_cut() -> None:
    facts = Facts(on_fact=lambda _: None)
    facts.state("", "", held=False, seen="x" * 5000)
    assert len(facts.failed[0].seen) == 400
