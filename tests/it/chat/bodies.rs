//! The answers and events that clients are built on, whole: whatever is added, renamed or left out shows itself here.

use insta::assert_json_snapshot;
use serde_json::Value;
use troupe_tests::{Script, snapshot::Stable};

use crate::small_cluster;

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "bodies are shown whole")]
async fn a_message_its_request_and_its_events_are_told_so() {
    let cluster = small_cluster().await;
    let user = cluster.client(0).await;
    let socket = user.socket().await;
    let conversation = user.conversation("demo").await;
    cluster.provider.on("Are you there?", [Script::chunks(["Yes, I am."])]);
    let sent = user.send(&conversation, "Are you there?").await;
    let mut stable = Stable::default();
    assert_json_snapshot!(stable.value(&sent.answer.body), { ".place.eta_seconds" => "[s]" }, @r#"
    {
      "message": {
        "branch": 0,
        "content": "Are you there?",
        "conversation_id": "[id 1]",
        "created_at": "[time]",
        "id": "[id 2]",
        "request_id": "[id 3]",
        "role": "user",
        "turn": 1
      },
      "place": {
        "eta_seconds": "[s]",
        "position": 1
      },
      "request": {
        "attempt": 0,
        "conversation_id": "[id 1]",
        "created_at": "[time]",
        "error": null,
        "finished_at": null,
        "id": "[id 3]",
        "message_id": "[id 2]",
        "model": null,
        "provider": null,
        "reply": null,
        "started_at": null,
        "status": "queued",
        "tries": [],
        "usage": null
      }
    }
    "#);

    let finished = user.finished(&sent.request).await;
    assert_json_snapshot!(stable.value(&finished), { ".tries[].ms" => "[ms]", ".tries[].first_word_ms" => "[ms]" }, @r#"
    {
      "attempt": 1,
      "conversation_id": "[id 1]",
      "created_at": "[time]",
      "error": null,
      "finished_at": "[time]",
      "id": "[id 3]",
      "message_id": "[id 2]",
      "model": "gpt-4.1-mini",
      "provider": "openai",
      "reply": {
        "branch": 0,
        "content": "Yes, I am.",
        "conversation_id": "[id 1]",
        "created_at": "[time]",
        "id": "[id 4]",
        "request_id": "[id 3]",
        "role": "assistant",
        "turn": 1
      },
      "started_at": "[time]",
      "status": "completed",
      "tries": [
        {
          "attempt": 1,
          "cost": 0.0,
          "first_word_ms": "[ms]",
          "key": "default",
          "model": "gpt-4.1-mini",
          "ms": "[ms]",
          "outcome": "completed",
          "provider": "openai",
          "usage": {
            "completion_tokens": 7,
            "estimated": false,
            "prompt_tokens": 12
          }
        }
      ],
      "usage": {
        "completion_tokens": 7,
        "estimated": false,
        "prompt_tokens": 12
      }
    }
    "#);

    let streamed = user.events(&sent.request, None).await.rest().await;
    let streamed: Vec<_> = streamed.iter().map(|event| stable.value(&event.data)).collect();
    assert_json_snapshot!(streamed, @r#"
    [
      {
        "at": "[time]",
        "attempt": 1,
        "conversation_id": "[id 1]",
        "correlation_id": "[id 5]",
        "cursor": "1-1",
        "request_id": "[id 3]",
        "type": "request.started"
      },
      {
        "at": "[time]",
        "conversation_id": "[id 1]",
        "cursor": "1-2",
        "request_id": "[id 3]",
        "text": "Yes, I am.",
        "type": "reply.delta"
      },
      {
        "at": "[time]",
        "conversation_id": "[id 1]",
        "correlation_id": "[id 5]",
        "cursor": "1-3",
        "message": {
          "branch": 0,
          "content": "Yes, I am.",
          "conversation_id": "[id 1]",
          "created_at": "[time]",
          "id": "[id 4]",
          "request_id": "[id 3]",
          "role": "assistant",
          "turn": 1
        },
        "model": "gpt-4.1-mini",
        "provider": "openai",
        "request_id": "[id 3]",
        "type": "reply.completed",
        "usage": {
          "completion_tokens": 7,
          "estimated": false,
          "prompt_tokens": 12
        }
      }
    ]
    "#);

    socket.ended(&sent.request).await;
    // That it was queued may be overtaken by the news that it was started.
    let heard = socket.events(&sent.request).into_iter().filter(|event| event["type"] != "request.queued");
    let heard: Vec<Value> = heard.map(|event| stable.value(&event)).collect();
    assert_eq!(heard, streamed, "the same over a socket");
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn a_problem_is_told_so() {
    let cluster = small_cluster().await;
    let user = cluster.client(0).await;
    let conversation = user.conversation("demo").await;
    let mut stable = Stable::default();
    let empty = user.send_waiting(&conversation, "", 0).await;
    assert_json_snapshot!(stable.value(empty.problem(422)), @r#"
    {
      "code": "invalid",
      "detail": "content: must not be empty",
      "errors": [
        {
          "field": "content",
          "message": "must not be empty"
        }
      ],
      "request_id": "[id 1]",
      "retryable": false,
      "status": 422,
      "title": "invalid input",
      "type": "/docs/problems#invalid"
    }
    "#);

    let missing = user.get("/api/v1/requests/00000000-0000-7000-8000-00000000000f").await;
    assert_json_snapshot!(stable.value(missing.problem(404)), @r#"
    {
      "code": "not_found",
      "detail": "there is no such request",
      "request_id": "[id 2]",
      "retryable": false,
      "status": 404,
      "title": "not found",
      "type": "/docs/problems#not_found"
    }
    "#);
    cluster.assert_quiet().await;
}
