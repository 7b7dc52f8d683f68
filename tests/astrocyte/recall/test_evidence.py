"""Kinds of evidence beyond words and vectors, and what may be done with a ranked list."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from aster.foundation.errors import ConfigError
from astrocyte import Astrocyte, NewMemory
from astrocyte.errors import InvalidInput
from astrocyte.models.minilm import MiniLm
from astrocyte.recall.entities import named_terms
from astrocyte.recall.reranking import TokenReranker
from astrocyte.text.terms import term_of

MAY = datetime(2023, 5, 10, tzinfo=UTC)
JUNE = datetime(2023, 6, 20, tzinfo=UTC)


async def test_a_date_in_the_question_finds_what_happened_or_is_spoken_of_then(plain: Astrocyte) -> None:
    await plain.retain_batch(
        "b",
        [
            NewMemory(content="We painted the boat", occurred_at=MAY),
            NewMemory(content="We painted the fence", occurred_at=JUNE),
            NewMemory(content="We painted the door last month", occurred_at=JUNE),
        ],
    )
    hits = (await plain.recall("What did we paint in May 2023?", "b")).hits
    assert {hit.text for hit in hits if "time" in hit.evidence} == {
        "We painted the boat",
        "We painted the door last month",
    }
    assert hits[-1].text == "We painted the fence"
    undated = (await plain.recall("What did we paint?", "b")).hits
    assert not [hit for hit in undated if "time" in hit.evidence]


async def test_a_name_links_memories_that_share_no_word_with_the_question(plain: Astrocyte) -> None:
    filler = [NewMemory(content=f"nothing much happened on day {n}") for n in range(60)]
    told = ["The car she drives is a Prius and it is new", "It broke down again, that Prius", "He sold a boat"]
    await plain.retain_batch("b", [*filler, *(NewMemory(content=content) for content in told)])
    hits = (await plain.recall("Which car does she drive?", "b", max_results=3)).hits
    assert [hit.text for hit in hits[:2]] == told[:2]
    assert "entity" in hits[1].evidence
    assert "keyword" not in hits[1].evidence


async def test_neither_a_speaker_nor_what_the_question_names_links_memories(plain: Astrocyte) -> None:
    told = ["I gave the Prius to Ben", "It broke down again, that Prius", "We met Ben at noon"]
    await plain.retain_batch("b", [NewMemory(content=content, speaker="Ben") for content in told])
    await plain.retain_batch("b", [NewMemory(content=f"nothing much happened on day {n}") for n in range(60)])
    hits = (await plain.recall("Who gave away the Prius?", "b", max_results=3)).hits
    assert not [hit for hit in hits if "entity" in hit.evidence]


async def test_what_scores_below_the_cut_off_is_left_out_and_a_stranger_to_the_bank_scores_low(
    astrocyte: Astrocyte,
) -> None:
    told = ["Ann's beagle is called Max", "The invoice of March is due", "We moved the server to Oslo"]
    await astrocyte.retain_batch("b", [NewMemory(content=content) for content in told])
    everything = (await astrocyte.recall("What is Ann's beagle called?", "b")).hits
    kept = (await astrocyte.recall("What is Ann's beagle called?", "b", min_score=0.5)).hits
    assert [hit.text for hit in kept] == told[:1]
    assert kept == [hit for hit in everything if hit.score >= 0.5]
    assert not (await astrocyte.recall("Which volcano erupted in Iceland?", "b", min_score=0.5)).hits


def test_names_are_capitals_inside_a_sentence() -> None:
    found = set(named_terms('We went to Oslo with Ann. The boat was fine. "Never" said Ben - and I agree'))
    assert found == {term_of(word) for word in ("oslo", "ann", "ben")}


async def test_banks_are_searched_together_in_order_or_until_one_answers(plain: Astrocyte) -> None:
    await plain.retain("the red apple", "first")
    await plain.retain_batch("second", [NewMemory(content=f"a red apple {n}") for n in range(5)])
    banks = ["empty", "first", "second"]

    async def searched(**how: object) -> tuple[list[str], int]:
        result = await plain.recall("red apple", banks=banks, **how)  # type: ignore[arg-type]  # how varies
        return result.trace.banks, len(result.hits)

    assert await searched() == (["first", "second"], 6)
    assert await searched(strategy="first_match") == (["first"], 1)
    assert await searched(strategy="cascade", enough=1) == (["first"], 1)
    assert await searched(strategy="cascade", enough=2) == (["first", "second"], 6)
    weighted = await plain.recall("red apple", banks=banks, bank_weights={"first": 0.1})
    assert weighted.hits[-1].bank_id == "first"
    for wrong in (
        {"strategy": "all"},
        {"bank_weights": {"third": 1.0}},
        {"bank_weights": {"first": -1.0}},
        {"diversity": 2.0},
        {"layers": ["dream"]},
        {"max_tokens": 0},
    ):
        with pytest.raises(InvalidInput):
            await plain.recall("red apple", banks=banks, **wrong)


async def test_diversity_prefers_hits_that_differ(astrocyte: Astrocyte) -> None:
    same = ["Ann plays tennis on Monday", "Ann plays tennis on Mondays", "On Monday Ann plays tennis"]
    await astrocyte.retain_batch("b", [NewMemory(content=text) for text in [*same, "Ann sails", "Ben cooks soup"]])
    plain = [hit.text for hit in (await astrocyte.recall("What does Ann do?", "b", max_results=2)).hits]
    mixed = [hit.text for hit in (await astrocyte.recall("Ann plays tennis", "b", max_results=2, diversity=0.7)).hits]
    assert len(plain) == 2
    assert mixed[0] in same
    assert mixed[1] not in same


async def test_a_second_look_reorders_the_candidates(url: str, model: MiniLm) -> None:
    values = {"storage": {"url": url}, "embedding": {"provider": "minilm"}, "recall": {"rerank": "tokens"}}
    settings = Astrocyte.from_config_dict(values).settings
    async with Astrocyte(settings, provider=model) as engine:
        texts = ["Ann bought a red car in Oslo", "a car", "red", "Oslo is a city where Ben lives"]
        await engine.retain_batch("b", [NewMemory(content=text) for text in texts])
        looked = await engine.recall("Who bought a red car?", "b")
        without = await engine.recall("Who bought a red car?", "b", rerank=False)
    assert looked.hits[0].text == texts[0]
    assert "rerank" in looked.trace.strategy_timings_ms
    assert "rerank" not in without.trace.strategy_timings_ms
    scores = [hit.score for hit in looked.hits]
    assert scores == sorted(scores, reverse=True)


def test_tokens_that_match_count_more_than_texts_that_resemble(model: MiniLm) -> None:
    scores = TokenReranker(model).scores("red car", ["she drives a red car", "he paints his house"])
    assert scores[0] > scores[1] + 0.2


class Doubles:
    """An embedding model that is not MiniLM."""

    model_id = "doubles"
    dimension = 2

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.ones((len(texts), 2), np.float32) * np.float32(0.5**0.5)


async def test_a_second_look_that_can_not_be_taken_stops_the_start(url: str, tmp_path: Path) -> None:
    base = {"storage": {"url": url}, "embedding": {"provider": "none"}}
    for recall, words in (
        ({"rerank": "tokens"}, "minilm"),
        ({"rerank": "cross_encoder", "rerank_model": str(tmp_path)}, r"has no model\.onnx"),
    ):
        settings = Astrocyte.from_config_dict({**base, "recall": recall}).settings
        with pytest.raises(ConfigError, match=words):
            await Astrocyte(settings, provider=Doubles()).__aenter__()
    for recall, words in (({"rerank": "cross_encoder"}, "rerank_model"), ({"rerank_model": "x"}, "would not act")):
        with pytest.raises(ConfigError, match=words):
            Astrocyte.from_config_dict({**base, "recall": recall})


async def test_a_cross_encoder_of_the_user_s_own_decides(url: str, tmp_path: Path) -> None:
    write_cross_encoder(tmp_path)
    values = {
        "storage": {"url": url},
        "embedding": {"provider": "none"},
        "recall": {"rerank": "cross_encoder", "rerank_model": str(tmp_path), "rerank_candidates": 3},
    }
    async with Astrocyte.from_config_dict(values) as engine:
        texts = ["apple apple pear pear pear pear pear", "apple", "apple pear"]
        await engine.retain_batch("b", [NewMemory(content=text) for text in texts])
        assert (await engine.recall("apple", "b")).hits[0].text == texts[0]
        assert (await engine.recall("apple", "b", rerank=False)).hits[0].text != texts[0]


def write_cross_encoder(folder: Path) -> None:
    """An ONNX model whose logit is how many tokens of the pair there are: the longest text is the most relevant."""
    import onnx
    from onnx import TensorProto, helper
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    tokenizer = Tokenizer(WordLevel({"[UNK]": 0, "[PAD]": 1, "apple": 2, "pear": 3}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    mask = helper.make_tensor_value_info("attention_mask", TensorProto.INT64, ["batch", "length"])
    ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "length"])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 1])
    axis = helper.make_tensor("axis", TensorProto.INT64, [1], [1])
    nodes = [
        helper.make_node("Cast", ["attention_mask"], ["seen"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["seen", "axis"], ["logits"], keepdims=1),
    ]
    graph = helper.make_graph(nodes, "counts", [ids, mask], [logits], [axis])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save(model, str(folder / "model.onnx"))
