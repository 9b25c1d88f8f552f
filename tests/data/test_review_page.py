"""The review page as a person has it: in a real browser, over the real server."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from review_workspace import (
    DISPUTED,
    FAST,
    FINE,
    RADIO,
    TEXTS,
    WORST,
    Client,
    MortalServer,
    clips,
    copy_of,
    edits_of,
    judge,
    make_workspace,
    served,
    told,
    wait_until,
)

from understudy.data.edits import apply_edits
from understudy.data.manifest import Clip, write_manifest

Talk = tuple[list[np.ndarray], np.ndarray]

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
SETTINGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = next((path for name in NAMES if (path := shutil.which(name))), None)
    if program is None:
        pytest.skip(f"no browser: none of {', '.join(NAMES)} is installed")
    with sync_playwright() as playwright:
        one = playwright.chromium.launch(executable_path=program, args=[*SETTINGS])
        yield one
        one.close()


@pytest.fixture(scope="module")
def original(long_talk: Talk, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_workspace(tmp_path_factory.mktemp("review"), long_talk)


@pytest.fixture
def workspace(original: Path, tmp_path: Path) -> Path:
    return copy_of(original, tmp_path)


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser that has never been here; errors of the page fail the test."""
    one = browser.new_context(viewport={"width": 1280, "height": 800})
    one.set_default_timeout(10_000)
    wrong: list[str] = []
    one.on("weberror", lambda error: wrong.append(str(error.error)))
    yield one
    one.close()
    assert not wrong


@pytest.fixture
def server(workspace: Path) -> Iterator[Client]:
    with served(workspace) as client:
        yield client


@pytest.fixture(scope="module")
def unchanged(original: Path) -> Iterator[Client]:
    """One server for all who only look."""
    with served(original) as client:
        yield client


@pytest.fixture
def look(context: BrowserContext, unchanged: Client) -> Page:
    return opened(context, unchanged.address)


@pytest.fixture
def page(context: BrowserContext, server: Client) -> Page:
    return opened(context, server.address)


def opened(context: BrowserContext, address: str) -> Page:
    page = context.new_page()
    page.goto(address)
    expect(page.locator("#clip")).to_be_visible()
    expect(page.locator("#signs > *").first).to_be_visible()
    return page


def texts(page: Page) -> list[str]:
    expect(page.locator(".item .words").first).not_to_have_text("…")
    return page.locator(".item").evaluate_all(
        "all => all.sort((a, b) => a.offsetTop - b.offsetTop)"
        ".map(one => one.querySelector('.words').textContent)"
    )


def saved(page: Page) -> None:
    expect(page.locator("#link")).to_have_text("Saved")


def item(page: Page, name: str) -> Any:
    return page.locator(f'[id="clip:{name}"]')


def choose(page: Page, name: str) -> None:
    item(page, name).click()
    expect(item(page, name)).to_have_attribute("aria-selected", "true")
    expect(page.locator("#text")).to_have_attribute("data-clip", name)
    expect(page.locator("#signs > *").first).to_be_visible()


def sets(workspace: Path) -> list[tuple[str, Any]]:
    return [(edit["clip"], edit["set"]) for edit in edits_of(workspace) if "set" in edit]


def test_the_worst_clip_is_first_and_open(look: Page) -> None:
    assert texts(look)[:3] == TEXTS[:3]
    expect(look.locator("#text")).to_have_value(TEXTS[0])
    expect(look.locator("#status")).to_have_text("Not looked at")
    expect(look.locator("#signs")).to_contain_text("30% sure")
    expect(look.locator("#signs")).to_contain_text("repetition, no speech")
    expect(look.locator("#spoken button")).to_have_text(TEXTS[0].split())
    expect(look.locator("#figures")).to_contain_text("0 of 7 clips")
    expect(look.locator("#estimate")).to_have_text("20 more to know how good the rest is")


def test_a_clip_of_which_little_is_known(look: Page) -> None:
    choose(look, RADIO[2])
    expect(look.locator("#text")).to_have_value("")
    expect(look.locator("#text")).to_have_attribute("placeholder", "Not transcribed yet: write what is said")
    expect(look.locator("#signs")).to_contain_text("Not known: confidence, text and sound, speaking rate")
    expect(look.locator("#speaker")).to_have_text("Speaker unknown")
    expect(look.locator("#screen")).to_be_hidden()


def test_what_is_typed_is_saved_by_itself(page: Page, workspace: Path) -> None:
    page.locator("#text").fill("bin blew  at four")
    expect(page.locator("#link")).to_have_text("Saving…")
    saved(page)
    assert sets(workspace) == [(WORST, {"text": "bin blew at four"})]
    expect(page.locator("#status")).to_have_text("Text changed")
    expect(page.locator("#heard del")).to_have_text(["blue", "now"])
    page.get_by_role("button", name="Put it back").click()
    saved(page)
    expect(page.locator("#text")).to_have_value(TEXTS[0])
    page.reload()
    expect(page.locator("#text")).to_have_value(TEXTS[0])


def test_a_text_is_saved_when_it_is_left_and_when_the_page_is_closed(
    page: Page, context: BrowserContext, workspace: Path, server: Client
) -> None:
    page.locator("#text").fill("left")
    choose(page, FAST)
    saved(page)
    page.locator("#text").fill("closed")
    page.close(run_before_unload=True)
    wait_until(lambda: len(sets(workspace)) == 2)
    assert sets(workspace) == [(WORST, {"text": "left"}), (FAST, {"text": "closed"})]
    again = opened(context, server.address)
    saved(again)
    assert len(edits_of(workspace)) == 2, "what the closing page left behind is known to be there"


def test_undo_and_redo(page: Page, workspace: Path) -> None:
    expect(page.locator("#undo")).to_be_disabled()
    page.locator("#text").fill("first")
    saved(page)
    page.locator("#text").fill("second")
    saved(page)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#text")).to_have_value(TEXTS[0])
    page.get_by_role("button", name="Redo").click()
    expect(page.locator("#text")).to_have_value("second")
    page.locator("#place").click()
    page.keyboard.press("z")
    expect(page.locator("#text")).to_have_value(TEXTS[0])
    saved(page)
    assert [*edits_of(workspace)[-1]][-1] == "undo", "an undo is one more line"
    assert apply_edits(clips(), workspace / "edits.jsonl")[:2] == (clips(), [])
    page.keyboard.press("Shift+Z")
    expect(page.locator("#text")).to_have_value("second")


def test_confirm_goes_on_to_the_next(page: Page, workspace: Path) -> None:
    page.get_by_role("button", name="This is right").click()
    expect(page.locator("#text")).to_have_value(TEXTS[1])
    page.locator("#text").fill("lay red by z two")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#text")).to_have_value(TEXTS[2])
    saved(page)
    assert sets(workspace) == [
        (WORST, {"reviewed": True, "text": TEXTS[0]}),
        (FAST, {"text": "lay red by z two"}),
        (FAST, {"reviewed": True}),
    ]
    expect(item(page, WORST)).to_have_attribute("data-status", "confirmed")
    expect(page.locator("#figures")).to_contain_text("2 of 7 clips")
    page.get_by_role("button", name="Clear away 2").click()
    expect(page.locator("#count")).to_have_text("5 clips")


def test_a_confirmed_clip_that_is_doubted_comes_up_again(page: Page, workspace: Path) -> None:
    choose(page, FINE)
    page.get_by_role("button", name="This is right").click()
    saved(page)
    page.get_by_role("button", name="Clear away 1").click()
    expect(item(page, FINE)).to_have_count(0)
    judge(workspace, FINE)
    expect(item(page, FINE)).to_have_attribute("data-status", "doubted")
    assert texts(page)[0] == TEXTS[3]
    expect(page.locator("#figures")).to_contain_text("1 doubted")
    choose(page, FINE)
    expect(page.locator("#status")).to_have_text("Confirmed, but doubted")
    expect(page.locator("#signs")).to_contain_text("it hears: “nothing of the kind”")
    page.get_by_role("button", name="This is right").click()
    expect(item(page, FINE)).to_have_attribute("data-status", "confirmed")
    saved(page)
    assert sets(workspace)[1:] == [(FINE, {"reviewed": True})]


def test_drop_with_a_reason_and_take_back(page: Page, workspace: Path) -> None:
    page.locator("#drop").click()
    page.get_by_role("button", name="another voice").click()
    expect(page.locator("#text")).to_have_value(TEXTS[1])
    expect(item(page, WORST)).to_have_attribute("data-status", "dropped")
    choose(page, WORST)
    expect(page.locator("#status")).to_have_text("Dropped: another voice")
    page.get_by_role("button", name="Take back in").click()
    expect(page.locator("#status")).to_have_text("Not looked at")
    page.keyboard.press("d")
    page.get_by_placeholder("Another reason").fill("a door")
    page.keyboard.press("Enter")
    saved(page)
    assert [edit["drop"] for edit in edits_of(workspace)] == ["another voice", None, "a door"]


def test_split_at_the_playhead_and_undo(page: Page, workspace: Path) -> None:
    page.locator("#spoken button").nth(2).click()  # plays from the third word on
    expect(page.locator("#play")).to_have_attribute("aria-label", "Pause")
    page.locator("#play").click()
    page.evaluate("document.querySelector('#audio').currentTime = 0.6")
    page.get_by_role("button", name="Split here").click()
    expect(page.locator("#text")).to_have_value("bin blue")
    assert texts(page)[:2] == ["bin blue", "at four now"]
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#text")).to_have_value(TEXTS[0])
    assert texts(page)[:2] == TEXTS[:2]
    saved(page)
    assert edits_of(workspace)[0]["split"] == 0.6


def test_split_where_the_cursor_stands(page: Page) -> None:
    page.locator("#text").fill("bin blue sky at four now")
    saved(page)
    expect(page.locator("#spoken button")).to_have_count(6)
    page.locator("#text").evaluate("field => { field.focus(); field.setSelectionRange(12, 12) }")
    page.keyboard.press("Alt+Enter")
    expect(page.locator("#text")).to_have_value("bin blue sky")
    assert texts(page)[:2] == ["bin blue sky", "at four now"]


def test_join_with_a_neighbour(page: Page, workspace: Path) -> None:
    expect(page.locator("#merge-before")).to_be_disabled()
    page.get_by_role("button", name="Join with next").click()
    expect(page.locator("#text")).to_have_value(f"{TEXTS[0]} {TEXTS[1]}")
    expect(page.locator("#count")).to_have_text("6 clips")
    saved(page)
    assert edits_of(workspace)[0]["merge"] == FAST


def test_trim_by_the_ends_of_the_waveform(page: Page, workspace: Path) -> None:
    wave, grip = page.locator("#wave").bounding_box(), page.locator("#grip-end")
    assert wave is not None
    grip.hover()
    page.mouse.down()
    page.mouse.move(wave["x"] + wave["width"] * 1.2 / 2.48, wave["y"] + 40, steps=4)
    page.mouse.up()
    expect(grip).to_have_attribute("aria-valuenow", "1.2")
    expect(page.locator("#text")).to_have_value("bin blue at four")
    page.keyboard.press("ArrowRight")
    expect(grip).to_have_attribute("aria-valuenow", "1.24")
    saved(page)
    assert sets(workspace) == [(WORST, {"end": 1.2}), (WORST, {"end": 1.24})]


def test_who_speaks(page: Page, workspace: Path) -> None:
    page.locator("#speaker").click()
    expect(page.locator("#menu button")).to_have_text(["speaker_1", "speaker_2"])
    page.get_by_role("button", name="speaker_1").click()
    expect(page.locator("#speaker")).to_have_text("speaker_1")
    page.locator("#place").click()
    page.keyboard.press("p")
    page.get_by_placeholder("Somebody else").fill("the guest")
    page.keyboard.press("Enter")
    expect(page.locator("#speaker")).to_have_text("the guest")
    expect(page.locator("select[name=speaker] option")).to_have_text(
        ["Any speaker", "speaker_1", "the guest"]
    )
    saved(page)
    assert sets(workspace) == [(WORST, {"speaker": "speaker_1"}), (WORST, {"speaker": "the guest"})]


def test_search_filters_and_order_that_a_reload_keeps(look: Page) -> None:
    look.get_by_role("searchbox").fill("zyzzle")
    expect(look.locator("#count")).to_have_text("2 clips")
    look.get_by_role("searchbox").fill("no such words")
    expect(look.locator("#empty")).to_have_text("No clip fits.")
    look.get_by_role("searchbox").fill("")
    look.get_by_label("Flag").select_option("repetition")
    expect(look.locator("#count")).to_have_text("1 clip")
    look.get_by_label("Flag").select_option("")
    look.get_by_label("Recording").select_option("radio")
    look.get_by_label("Order").select_option("time")
    expect(look.locator("#count")).to_have_text("3 clips")
    look.reload()
    expect(look.locator("#count")).to_have_text("3 clips")
    assert texts(look) == ["please zyzzle the telephone", "zyzzle it again and again", "not transcribed"]
    expect(look.get_by_label("Order")).to_have_value("time")


def test_sound_plays_to_the_end_of_the_clip_with_its_pictures(look: Page) -> None:
    ready = "['#audio', '#video'].every(name => document.querySelector(name).readyState >= 2)"
    wait_until(lambda: look.evaluate(ready))
    look.locator("#place").click()
    look.keyboard.press("Space")
    expect(look.locator("#play")).to_have_attribute("aria-label", "Pause")
    expect(look.locator("#play")).to_have_attribute("aria-label", "Play")
    at = look.evaluate("['#audio', '#video'].map(name => document.querySelector(name).currentTime)")
    assert at == pytest.approx([1.48, 1.48], abs=0.02)
    painted = look.evaluate(
        "(() => { const all = document.querySelector('#canvas'); return new Set(new Uint32Array("
        "all.getContext('2d').getImageData(0, 0, all.width, all.height).data.buffer)).size })()"
    )
    assert painted > 3, "a waveform in two colours"


def test_two_tabs_show_each_others_work(page: Page, context: BrowserContext, server: Client) -> None:
    other = opened(context, server.address)
    choose(other, FAST)
    page.locator("#text").fill("from the first tab")
    other.locator("#text").fill("from the second tab")
    saved(page)
    saved(other)
    expect(item(other, WORST)).to_contain_text("from the first tab")
    page.bring_to_front()
    expect(item(page, FAST)).to_contain_text("from the second tab")
    choose(other, FINE)
    choose(page, FINE)
    page.keyboard.press("d")
    page.get_by_role("button", name="noise").click()
    other.bring_to_front()
    expect(other.locator("#status")).to_have_text("Dropped: noise")


@pytest.mark.parametrize("keep", ["Keep mine", "Keep the other"])
def test_two_texts_for_one_clip_are_both_shown(
    page: Page, context: BrowserContext, server: Client, workspace: Path, keep: str
) -> None:
    other = opened(context, server.address)
    other.locator("#text").focus()
    page.route("**/api/changes*", lambda route: route.abort())  # this tab hears late of the other
    other.locator("#text").fill("theirs")
    saved(other)
    page.bring_to_front()
    page.locator("#text").fill("mine")
    conflict = page.locator("#conflict")
    expect(conflict).to_contain_text("This text was changed elsewhere while you were writing")
    expect(conflict.locator(".version p")).to_have_text(["theirs mine", "theirs"])
    expect(page.locator("#conflicts")).to_have_text("One text has two versions")
    assert sets(workspace) == [(WORST, {"text": "theirs"})], "nothing is overwritten"
    page.unroute("**/api/changes*")
    page.reload()
    expect(page.locator("#conflict")).to_be_visible()
    page.get_by_role("button", name=keep).click()
    saved(page)
    expect(page.locator("#conflict")).to_be_hidden()
    chosen = "mine" if keep == "Keep mine" else "theirs"
    expect(page.locator("#text")).to_have_value(chosen)
    other.bring_to_front()
    expect(other.locator("#text")).to_have_value(chosen)
    assert sets(workspace)[-1] == (WORST, {"text": chosen})


def test_what_is_being_typed_while_the_clip_is_split_elsewhere(page: Page, server: Client) -> None:
    page.locator("#text").press_sequentially(" and more", delay=5)
    server.edit(WORST, split=0.72)
    expect(page.locator("#conflict")).to_contain_text("split or joined elsewhere")
    expect(page.locator("#conflict")).to_contain_text(f"{TEXTS[0]} and more".split()[-1])
    page.get_by_role("button", name="Keep mine").click()
    expect(page.locator("#text")).to_have_value(f"{TEXTS[0]} and more")
    assert server.clip("talk_0.00-0.72")["text"] == f"{TEXTS[0]} and more"


def test_new_words_are_marked_and_offered_for_the_lexicon(page: Page, workspace: Path) -> None:
    choose(page, RADIO[0])
    expect(page.locator("#behind .unknown")).to_have_text(["zyzzle"])
    page.locator("#text").fill("please zyzzle the qwyx")
    expect(page.locator("#behind .unknown")).to_have_text(["zyzzle", "qwyx"])
    page.get_by_role("button", name="New words 2").click()
    tray = page.locator("#tray li")
    tray.filter(has_text="qwyx").get_by_placeholder("spoken as").fill("quicks")
    page.get_by_role("button", name="Add qwyx to the lexicon").click()
    expect(tray).to_have_count(1)
    page.get_by_role("button", name="Leave zyzzle out of the lexicon").click()
    expect(page.locator("#words")).to_be_hidden()
    assert (workspace / "lexicon.tsv").read_text().splitlines()[1:] == ["qwyx\tquicks\t\t1\treview"]
    page.reload()
    expect(page.locator("#text")).to_have_value("please zyzzle the qwyx")
    expect(page.locator("#behind .unknown")).to_have_text(["zyzzle"])
    expect(page.locator("#words")).to_be_hidden()


@pytest.fixture
def mortal(workspace: Path) -> Iterator[MortalServer]:
    one = MortalServer(workspace)
    one.start()
    yield one
    one.kill()


def test_a_server_that_is_killed_costs_nothing(
    context: BrowserContext, workspace: Path, mortal: MortalServer
) -> None:
    page = opened(context, mortal.address)
    page.locator("#text").fill("before")
    saved(page)
    mortal.kill()
    whole = (workspace / "edits.jsonl").read_bytes()
    (workspace / "edits.jsonl").write_bytes(whole + b'{"clip": "talk_1.48-3.00", "set": {"te')  # in mid-write
    page.locator("#text").fill("while it was away")
    expect(page.locator("#link")).to_contain_text("Server away")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#text")).to_have_value(TEXTS[1])
    expect(item(page, WORST)).to_contain_text("not sent yet")
    page.locator("#text").fill("this too")
    expect(page.locator("#link")).to_contain_text("3 edits kept in this browser")
    mortal.start()
    saved(page)
    assert [(edit["clip"], edit["set"]) for edit in edits_of(workspace)] == [
        (WORST, {"text": "before"}),
        (WORST, {"text": "while it was away"}),
        (WORST, {"reviewed": True}),
        (FAST, {"text": "this too"}),
    ]
    expect(item(page, FAST)).not_to_contain_text("not sent yet")
    expect(page.locator("#status")).to_have_text("Text changed")


def test_a_page_that_dies_with_its_server_leaves_its_edits_to_the_next(
    context: BrowserContext, workspace: Path, mortal: MortalServer
) -> None:
    page = opened(context, mortal.address)
    mortal.kill()
    page.locator("#text").fill("kept")
    expect(page.locator("#link")).to_contain_text("kept in this browser")
    page.close()
    mortal.start()
    again = opened(context, mortal.address)
    expect(again.locator("#text")).to_have_value("kept")
    saved(again)
    wait_until(lambda: sets(workspace) == [(WORST, {"text": "kept"})])


def test_what_is_left_is_judged_by_what_was_corrected(
    context: BrowserContext, workspace: Path, server: Client
) -> None:
    many = [told(Clip(f"s_{k}", "s", float(k), k + 1.0), "lay red by zed", k / 60) for k in range(60)]
    write_manifest(workspace / "manifests" / "transcribe.jsonl", many)
    for k in range(30):
        server.edit(f"s_{k}", set={"text": "lay red by z", "reviewed": True})
    page = opened(context, server.address)
    expect(page.locator("#estimate")).to_have_text("about 25.0% of the words left are wrong (3.4% to 46.6%)")
    page.locator("#estimate").click()
    expect(page.locator("#about-estimate")).to_contain_text("only more suspicious clips are corrected")


def test_of_many_clips_only_those_in_sight_are_drawn(
    context: BrowserContext, workspace: Path, server: Client
) -> None:
    many = [told(Clip(f"s_{k}", "s", float(k), k + 1.0), f"number {k}", k / 20_000) for k in range(20_000)]
    write_manifest(workspace / "manifests" / "transcribe.jsonl", many)
    page = opened(context, server.address)
    expect(page.locator("#count")).to_have_text("20,000 clips")
    assert page.locator(".item").count() < 40
    page.locator("#list").evaluate("list => list.scrollTop = list.scrollHeight / 2")
    expect(item(page, "s_10000")).to_contain_text("number 10000")
    item(page, "s_10000").click()
    expect(page.locator("#text")).to_have_value("number 10000")
    page.locator("#place").click()
    page.keyboard.press("j")
    expect(page.locator("#text")).to_have_value("number 10001")
    assert page.locator(".item").count() < 40


def test_on_a_phone_the_list_or_the_clip(browser: Browser, unchanged: Client) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(unchanged.address)
    item(page, DISPUTED).tap()
    expect(page.locator("#list")).to_be_hidden()
    expect(page.locator("#text")).to_have_value(TEXTS[2])
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.get_by_role("button", name="Back to the list").tap()
    expect(page.locator("#list")).to_be_visible()
    context.close()


def test_every_control_has_a_name_and_help_lists_the_keys(look: Page) -> None:
    unnamed = look.evaluate(
        "[...document.querySelectorAll('button, input, select, textarea, [role=slider], [role=listbox]')]"
        ".filter(one => !(one.textContent.trim() || one.ariaLabel || one.placeholder))"
        ".map(one => one.outerHTML)"
    )
    assert unnamed == []
    look.locator("#place").click()
    look.keyboard.press("?")
    expect(look.locator("#keys")).to_contain_text(
        "Confirm and go on" if False else "confirm and go on to the next"
    )
    look.keyboard.press("Escape")
    expect(look.locator("#keys")).to_be_hidden()


def test_nothing_is_asked_of_the_rest_of_the_world(context: BrowserContext, unchanged: Client) -> None:
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    opened(context, unchanged.address)
    assert asked
    assert all(url.startswith(unchanged.address) for url in asked)
