//! Programs and agents that make no sense.

use tokenfleet::foundations::Fault;

use super::{GOOD, after, assert_one, faults, read};

#[test]
fn quality_is_a_share() {
    let with = |share: &str| after("precision       =", &format!("quality = {share}\nprecision ="));
    for share in ["\"130 %\"", "\"good\"", "\"0 %\"", "[1]"] {
        assert_one(&with(share), "`quality` is a share above 0 %", "\"published\"");
    }
}

#[test]
fn prompts_must_fit_the_context() {
    assert_one(
        &after("= 1000", "= 200_000"),
        "agents.reader.program: the first prompt has at least 200000 tokens, but pool `main` takes",
        "shorten it",
    );
    assert_one(
        &after("parallel = 4", "parallel = 4\nmax_context = '1M'"),
        "pools.main.max_context: `llama-3.3-70b` takes at most 131072 tokens",
        "lower `max_context`",
    );
}

/// A program of these steps in the good scenario.
fn program(steps: &str) -> String {
    let start = GOOD.find("[programs").unwrap();
    let end = GOOD.find("[pools").unwrap();
    format!("{}[programs.ask.steps]\n{steps}\n{}", &GOOD[..start], &GOOD[end..])
}

#[test]
fn graphs_that_make_no_sense_are_refused() {
    let llm = "kind = 'llm', output = 9";
    for (steps, message, help) in [
        (format!("a = {{ {llm}, next = 'bb' }}\nb = {{ {llm} }}"), "unknown step `bb`", "`b`"),
        (format!("a = {{ {llm} }}\nb = {{ {llm} }}"), "no way leads to step `b`", "remove it"),
        (
            format!("a = {{ {llm}, next = 'b' }}\nb = {{ {llm}, next = 'a' }}"),
            "steps `a`, `b` never lead to an end",
            "way out",
        ),
        (
            format!("a = {{ {llm}, next = {{ end = 0.5, a = 0.4 }} }}"),
            "the probabilities add up to 0.900000, not to 1",
            "",
        ),
        (format!("a = {{ {llm}, next = {{ end = 1.5, a = -0.5 }} }}"), "must be between", ""),
        (
            format!("l = {{ kind = 'loop', times = 3, body = 'a' }}\na = {{ {llm} }}"),
            "the body of loop `l` never comes back",
            "`next = \"l\"`",
        ),
        (
            "w = { kind = 'wait', time = '0 s', next = { w = 0.5, end = 0.5 } }".to_owned(),
            "steps go round without a call or any time: w -> w",
            "",
        ),
        (
            "s = { kind = 'spawn', program = 'ask' }".to_owned(),
            "agents would spawn each other for ever: ask -> ask",
            "a program of its own",
        ),
        (format!("a = {{ {llm}, latency = '1 s' }}"), "unknown key `latency`", "kind = \"tool\""),
        ("a = { kind = 'tool' }".to_owned(), "one of the keys `tool`, `latency` is needed", ""),
        ("a = { kind = 'tool', tool = 'x' }".to_owned(), "unknown tool `x`", "none is defined"),
        (
            "a = { kind = 'tool', latency = '1 s', slots = 2, streamed = true }".to_owned(),
            "a tool with `slots` can't be `streamed`",
            "leave one of the two out",
        ),
    ] {
        let text = program(&steps);
        let found = read(&text).map(|_| ()).expect_err(&steps);
        let (message_found, mend) = {
            let faults: Vec<Fault> = found.into_iter().collect();
            let fault = faults.iter().find(|fault| fault.message.contains(message));
            let fault = fault.unwrap_or_else(|| panic!("{steps}: {faults:#?}"));
            (fault.message.clone(), fault.help.join("; "))
        };
        assert!(mend.contains(help), "{message_found}: {mend}");
    }
}

#[test]
fn a_program_with_a_second_model_needs_its_pool() {
    let steps = "a = { kind = 'llm', output = 9, model = 'small' }";
    assert_one(&faults(&program(steps)), "unknown pool `small`", "choose from: main");
    let mapped = program(steps)
        .replace("model    = \"main\"", "model    = \"main\"\nmodels = { small = 'main' }");
    read(&mapped).unwrap_or_else(|faults| panic!("{faults}"));
}

#[test]
fn recorded_agents_need_their_file() {
    let text = GOOD
        .replace("program  = \"ask\"", "replay = { trace = 'nowhere.jsonl', format = 'mooncake' }");
    let text = text.replace("arrivals = { poisson = \"2 /s\" }", "");
    let found = faults(&text);
    assert!(found[0].message.contains("cannot read `nowhere.jsonl`"), "{found:#?}");
}

#[test]
fn response_caches_that_cannot_be_are_refused() {
    let with = |keys: &str| {
        let line = "program  = \"ask\"";
        faults(&GOOD.replace(line, &format!("{line}\nresponse_cache = {{ {keys} }}")))
    };
    assert_one(&with(""), "one of the keys `hit`, `questions` is needed", "hit");
    assert_one(&with("hit = 1.5"), "`hit` must be between 0 % and 100 %", "");
    assert_one(&with("hit = 0.5, ttl = '1 h'"), "`ttl` has no meaning where `hit`", "questions");
    assert_one(
        &with("questions = { zipf = { n = 100, exponent = 1 } }"),
        "no answer is ever forgotten",
        "capacity",
    );
}

#[test]
fn a_hedge_that_never_comes_and_half_a_review_are_refused() {
    let retry = |table: &str| after("\"ask\"", &format!("\"ask\"\nretry = {table}"));
    assert_one(
        &retry("{ hedge = \"2 s\", timeout = \"2 s\" }"),
        "calls time out before they are hedged",
        "`hedge` must be less than `timeout`",
    );
    assert_one(
        &retry("{ hedge = \"2 s\", attempts = 1 }"),
        "a hedge is an attempt, and there is only one",
        "raise `attempts`",
    );
    let review = "[programs.ask.steps.review]\nkind = \"wait\"\ntime = \"1 min\"\naccept = 0.5\n";
    assert_one(
        &after("[pools.main]", &format!("{review}[pools.main]")),
        "`accept` needs `on_reject` beside it",
        "on_reject = \"work\"",
    );
}
