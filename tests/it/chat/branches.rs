//! Conversations as trees: replies that are written again, questions that are edited, and the path that is chosen.

use serde_json::{Value, json};
use troupe_tests::{Client, Cluster, Gate, Script, provider::default_reply};

use crate::{cluster, small_cluster};

/// What the model was told the last time that it was asked this.
fn last_told(cluster: &Cluster, question: &str) -> Vec<String> {
    let calls = cluster.provider.calls_of(question);
    calls.last().expect("a call").messages().into_iter().skip(1).map(|(_, text)| text).collect()
}

async fn texts(user: &Client, conversation: &str) -> Vec<String> {
    user.messages(conversation).await.into_iter().map(|(_, text)| text).collect()
}

/// The requests that stand in the place of a turn, each with that which asked its question first.
async fn variants(user: &Client, conversation: &str, request: &str) -> Vec<(String, String)> {
    let path = format!("/api/v1/conversations/{conversation}/messages");
    let listed = user.get(&path).await.expect(200);
    let is_it = |message: &&Value| message["request_id"] == request && message["role"] == "user";
    let question = listed["items"].as_array().expect("items").iter().find(is_it).expect("the turn is listed");
    let pair = |variant: &Value| {
        let id = |name: &str| variant[name].as_str().expect("an id").to_owned();
        (id("request_id"), id("question_of"))
    };
    question["variants"].as_array().map(|all| all.iter().map(pair).collect()).unwrap_or_default()
}

async fn again(user: &Client, request: &str, how: &str) -> String {
    let sent = user.post(&format!("/api/v1/requests/{request}/{how}"), &json!({})).await.expect(202);
    sent["request"]["id"].as_str().expect("an id").to_owned()
}

async fn edit(user: &Client, conversation: &str, replaces: &str, content: &str) -> String {
    let body = json!({"content": content, "replaces": replaces});
    let sent = user.post(&format!("/api/v1/conversations/{conversation}/messages"), &body).await.expect(202);
    sent["request"]["id"].as_str().expect("an id").to_owned()
}

async fn choose(user: &Client, conversation: &str, through: &str) -> Value {
    user.put(&format!("/api/v1/conversations/{conversation}/path"), &json!({"through": through})).await.expect(200)
}

#[tokio::test]
async fn a_reply_is_written_again_beside_the_old_one() {
    let cluster = cluster().await;
    let user = cluster.client(0).await;
    let conversation = user.conversation("demo").await;
    cluster.provider.on("Why?", ["One.", "Two.", "Three."].map(Script::text));
    user.ask(&conversation, "Hello").await;
    let first = user.send(&conversation, "Why?").await.request;
    assert_eq!(user.reply(&first).await, "One.");
    assert_eq!(variants(&user, &conversation, &first).await, [], "it is the only one");

    let second = again(&user, &first, "regenerate").await;
    assert_eq!(user.reply(&second).await, "Two.");
    // A version of a version stands beside the first.
    let third = again(&user, &second, "regenerate").await;
    assert_eq!(user.reply(&third).await, "Three.");
    assert_eq!(last_told(&cluster, "Why?"), ["Hello", &default_reply("Hello"), "Why?"], "no version is told of others");
    assert_eq!(texts(&user, &conversation).await, ["Hello", &default_reply("Hello"), "Why?", "Three."]);
    let all = [&first, &second, &third].map(|id| (id.clone(), first.clone()));
    assert_eq!(variants(&user, &conversation, &third).await, all);

    // Swiping back: what is asked then knows that version, and each keeps what came after it.
    assert_eq!(choose(&user, &conversation, &first).await["branch"], 0);
    assert_eq!(variants(&user, &conversation, &first).await, all);
    user.ask(&conversation, "And then?").await;
    assert_eq!(last_told(&cluster, "And then?")[2..], ["Why?", "One.", "And then?"]);
    choose(&user, &conversation, &second).await;
    assert_eq!(texts(&user, &conversation).await[2..], ["Why?", "Two."]);
    choose(&user, &conversation, &first).await;
    assert_eq!(texts(&user, &conversation).await[2..], ["Why?", "One.", "And then?", &default_reply("And then?")]);
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn a_question_is_edited_and_the_old_one_kept() {
    let cluster = cluster().await;
    let user = cluster.client(0).await;
    let conversation = user.conversation("demo").await;
    let first = user.send(&conversation, "What is red?").await.request;
    user.reply(&first).await;
    let after = user.send(&conversation, "Anything else?").await.request;
    user.reply(&after).await;

    let edited = edit(&user, &conversation, &first, "What is blue?").await;
    user.reply(&edited).await;
    assert_eq!(texts(&user, &conversation).await, ["What is blue?", &default_reply("What is blue?")]);
    assert_eq!(last_told(&cluster, "What is blue?"), ["What is blue?"]);
    let both = [(first.clone(), first.clone()), (edited.clone(), edited.clone())];
    assert_eq!(variants(&user, &conversation, &edited).await, both);

    // A branch of a branch, and back to the trunk, whose later turns are still there.
    let deep = user.send(&conversation, "How blue?").await.request;
    user.reply(&deep).await;
    let deeper = edit(&user, &conversation, &deep, "How deep?").await;
    user.reply(&deeper).await;
    assert_eq!(last_told(&cluster, "How deep?"), ["What is blue?", &default_reply("What is blue?"), "How deep?"]);
    choose(&user, &conversation, &first).await;
    assert_eq!(texts(&user, &conversation).await[2], "Anything else?");
    // The way down is the one that was chosen last.
    choose(&user, &conversation, &edited).await;
    assert_eq!(texts(&user, &conversation).await[2], "How deep?");
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn what_is_replaced_while_it_is_written_is_stopped() {
    let cluster = small_cluster().await;
    let user = cluster.client(0).await;
    let socket = user.socket().await;
    let conversation = user.conversation("demo").await;
    let gate = Gate::new();
    cluster.provider.on("Slowly", [Script::gated(["Begun ", "and never ended"], &gate), Script::text("At once.")]);
    let slow = user.send(&conversation, "Slowly").await.request;
    gate.release(1);
    socket.shown(&slow, "Begun ").await;
    let fast = again(&user, &slow, "regenerate").await;
    assert_eq!(user.reply(&fast).await, "At once.");
    let stopped = user.request(&slow).await;
    assert_eq!((&stopped["status"], &stopped["reply"]["content"]), (&json!("cancelled"), &json!("Begun ")));
    gate.open();
    let told = socket.wait_for("a word of the branch", |event| event["type"] == "conversation.updated").await;
    assert_eq!((&told["conversation"]["id"], &told["conversation"]["branch"]), (&json!(conversation), &json!(1)));
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn a_reply_goes_on_from_where_it_was_cut() {
    let cluster = small_cluster().await;
    let user = cluster.client(0).await;
    let socket = user.socket().await;
    let conversation = user.conversation("demo").await;
    let gate = Gate::new();
    cluster.provider.on("Tell", [Script::gated(["Once upon", " a time"], &gate)]);
    let cut = user.send(&conversation, "Tell").await.request;
    gate.release(1);
    socket.shown(&cut, "Once upon").await;
    user.post(&format!("/api/v1/requests/{cut}/cancel"), &json!({})).await.expect(200);
    gate.open();

    cluster.provider.by_habit(|question, _| {
        Script::text(if question.starts_with("Your reply was cut off") { " a midnight." } else { "?" })
    });
    let whole = again(&user, &cut, "continue").await;
    assert_eq!(user.reply(&whole).await, "Once upon a midnight.");
    let end = socket.ended(&whole).await;
    assert_eq!(end["message"]["content"], "Once upon a midnight.");
    assert_eq!(socket.transcript(&whole).text, "Once upon a midnight.", "the events add up to it");
    let prompt = cluster.provider.calls().last().expect("a call").messages();
    let roles: Vec<_> = prompt.iter().map(|(role, _)| role.as_str()).collect();
    assert_eq!((roles, &*prompt[2].1), (vec!["system", "user", "assistant", "user"], "Once upon"));
    assert_eq!(variants(&user, &conversation, &whole).await, [(cut.clone(), cut.clone()), (whole, cut)]);
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn a_fork_is_a_conversation_of_its_own() {
    let cluster = cluster().await;
    let user = cluster.client(0).await;
    let conversation = user.conversation("demo").await;
    let first = user.send(&conversation, "One").await.request;
    user.reply(&first).await;
    let second = user.send(&conversation, "Two").await.request;
    user.reply(&second).await;
    let version = again(&user, &second, "regenerate").await;
    user.reply(&version).await;
    user.ask(&conversation, "Three").await;

    let fork =
        user.post(&format!("/api/v1/conversations/{conversation}/fork"), &json!({"until": version})).await.expect(201);
    let copy = fork["id"].as_str().expect("an id");
    assert_eq!((&fork["forked_from"], &fork["branch"]), (&json!(conversation), &json!(0)));
    assert_eq!(texts(&user, copy).await, ["One", &default_reply("One"), "Two", &default_reply("Two")]);
    user.ask(copy, "Four").await;
    assert_eq!(last_told(&cluster, "Four"), ["One", &default_reply("One"), "Two", &default_reply("Two"), "Four"]);
    // Neither knows of the other any more.
    user.delete(&format!("/api/v1/conversations/{conversation}")).await.expect(204);
    assert_eq!(texts(&user, copy).await.len(), 6);
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn the_same_call_twice_is_one_branch() {
    let cluster = cluster().await;
    let user = cluster.client(0).await;
    let conversation = user.conversation("demo").await;
    let first = user.send(&conversation, "Why?").await.request;
    user.reply(&first).await;
    let path = format!("/api/v1/requests/{first}/regenerate");
    let call = || user.call(reqwest::Method::POST, &path).header("idempotency-key", "k").json(&json!({}));
    let (one, two) = tokio::join!(user.answer(call()), user.answer(call()));
    let (one, two) = (one.expect(202), two.expect(202));
    assert_eq!(one["request"]["id"], two["request"]["id"]);
    assert_eq!(cluster.number("select count(*) from branches where number > 0").await, 1);
    let beside = json!({"content": "Why?", "replaces": first});
    let other = user.call(reqwest::Method::POST, &format!("/api/v1/conversations/{conversation}/messages"));
    let other = user.answer(other.header("idempotency-key", "k").json(&beside)).await;
    assert_eq!(other.problem(422)["code"], "idempotency_key_reused");
    user.reply(one["request"]["id"].as_str().expect("an id")).await;
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn what_cannot_be_branched_is_refused_by_name_and_nothing_is_stored() {
    let cluster = cluster().await;
    let user = cluster.client(0).await;
    let stranger = cluster.client(1).await;
    let conversation = user.conversation("demo").await;
    let request = user.send(&conversation, "Mine").await.request;
    user.reply(&request).await;
    let other = user.conversation("demo").await;
    let stored = || cluster.number("select (select count(*) from requests) * 1000 + (select count(*) from branches)");
    let before = stored().await;

    let unknown = "01900000-0000-7000-8000-000000000000";
    for (who, path, body) in [
        (&stranger, format!("requests/{request}/regenerate"), json!({})),
        (&stranger, format!("requests/{request}/continue"), json!({})),
        (&user, format!("requests/{unknown}/regenerate"), json!({})),
        (&stranger, format!("conversations/{conversation}/fork"), json!({"until": request})),
        (&user, format!("conversations/{other}/fork"), json!({"until": request})),
        (&user, format!("conversations/{other}/messages"), json!({"content": "x", "replaces": request})),
        (&stranger, format!("conversations/{conversation}/messages"), json!({"content": "x", "replaces": request})),
    ] {
        assert_eq!(who.post(&format!("/api/v1/{path}"), &body).await.problem(404)["code"], "not_found", "{path}");
    }
    for (who, conversation) in [(&stranger, &conversation), (&user, &other)] {
        let path = format!("/api/v1/conversations/{conversation}/path");
        who.put(&path, &json!({"through": request})).await.problem(404);
    }
    let long = json!({"content": "x".repeat(40_000), "replaces": request});
    user.post(&format!("/api/v1/conversations/{conversation}/messages"), &long).await.problem(422);
    let odd = user.post(&format!("/api/v1/requests/{request}/regenerate"), &json!({"temperature": 2})).await;
    assert_eq!(odd.problem(422)["errors"][0]["field"], "temperature");

    cluster.provider.on("Fail", [Script::error(400)]);
    let failed = user.send(&conversation, "Fail").await.request;
    assert_eq!(user.finished(&failed).await["status"], "failed");
    let refused = user.post(&format!("/api/v1/requests/{failed}/continue"), &json!({})).await;
    assert_eq!(refused.problem(409)["code"], "nothing_to_continue");
    assert_eq!(stored().await, before + 1_000, "the failed one is all that came");

    // A failed one can be asked again.
    cluster.provider.on("Fail", [Script::text("Better.")]);
    let better = again(&user, &failed, "regenerate").await;
    assert_eq!(user.reply(&better).await, "Better.");
}

#[tokio::test]
async fn branches_of_one_conversation_are_bounded() {
    let cluster = cluster().await;
    let user = cluster.client(0).await;
    let conversation = user.conversation("demo").await;
    let request = user.send(&conversation, "Why?").await.request;
    user.reply(&request).await;
    let many = format!(
        "with made as (insert into branches (conversation_id, number, replaces, opened_by)
             select '{conversation}', n, case when n > 0 then gen_random_uuid() end, case when n > 0 then gen_random_uuid() end
             from generate_series(0, 1000) n returning 1) select count(*) from made"
    );
    assert_eq!(cluster.number(&many).await, 1_001);
    let refused = user.post(&format!("/api/v1/requests/{request}/regenerate"), &json!({})).await;
    assert_eq!(refused.problem(409)["code"], "too_many_branches");
    assert_eq!(user.get(&format!("/api/v1/conversations/{conversation}")).await.expect(200)["branch"], 0);
}

#[tokio::test]
async fn messages_are_read_around_a_turn_and_on_from_there() {
    let cluster = cluster().await;
    let user = cluster.client(0).await;
    let conversation = user.conversation("demo").await;
    let mut requests = Vec::new();
    for n in 0..8 {
        requests.push(user.send(&conversation, &format!("Question {n}")).await.request);
        user.reply(&requests[n]).await;
    }
    let all = user.get(&format!("/api/v1/conversations/{conversation}/messages?limit=100")).await.expect(200);
    let all = all["items"].as_array().expect("items").clone();
    let page = async |query: &str| {
        let page = user.get(&format!("/api/v1/conversations/{conversation}/messages?{query}")).await.expect(200);
        (page["items"].as_array().expect("items").clone(), page["next"].clone(), page["newer"].clone())
    };
    for request in &requests {
        let (mut items, mut next, mut newer) = page(&format!("around={request}&limit=6")).await;
        assert!(items.iter().any(|message| message["request_id"] == *request), "{request}");
        while let Some(after) = next.as_str() {
            let (older, further, _) = page(&format!("after={after}&limit=3")).await;
            items.extend(older);
            next = further;
        }
        while let Some(before) = newer.as_str() {
            let (mut more, _, further) = page(&format!("before={before}&limit=3")).await;
            more.extend(items);
            (items, newer) = (more, further);
        }
        assert_eq!(items, all, "no message twice, and none left out");
    }
    // A turn off the chosen path is not among its messages, and nobody else's conversation has it.
    let beside = again(&user, &requests[3], "regenerate").await;
    user.reply(&beside).await;
    let path = format!("/api/v1/conversations/{conversation}/messages?around={}", requests[3]);
    user.get(&path).await.problem(404);
    cluster.client(1).await.get(&path).await.problem(404);
    let both = format!("/api/v1/conversations/{conversation}/messages?around={}&after={}", requests[0], requests[0]);
    assert_eq!(user.get(&both).await.problem(422)["errors"][0]["field"], "query");
}

#[tokio::test]
async fn a_dead_letter_that_is_tried_again_keeps_its_place_among_its_versions() {
    let cluster = cluster().await;
    let user = cluster.client(0).await;
    let admin = crate::operations::admin::admin(&cluster).await;
    let conversation = user.conversation("demo").await;
    cluster.provider.on("Why?", [Script::error(400), Script::error(400), Script::text("Now.")]);
    let first = user.send(&conversation, "Why?").await.request;
    user.finished(&first).await;
    let second = again(&user, &first, "regenerate").await;
    user.finished(&second).await;
    let redriven = admin.post(&format!("/api/v1/admin/dead-letters/{second}/retry"), &json!({})).await.expect(202);
    let redriven = redriven["request_id"].as_str().expect("an id").to_owned();
    assert_eq!(user.reply(&redriven).await, "Now.");
    let versions = variants(&user, &conversation, &redriven).await;
    assert_eq!(versions, [(first.clone(), first.clone()), (redriven, first)]);
}
