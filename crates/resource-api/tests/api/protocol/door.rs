//! Who is let in, and with what in hand.

use super::{CONFIG_MAPS, told};
use crate::served::{Served, config_map};

#[tokio::test]
async fn the_door_is_shut_without_the_token() {
    let served = Served::start().await;
    let mut connection = served.connect().await;
    let own = ("host", "127.0.0.1");
    for path in [
        "/api",
        "/apis",
        CONFIG_MAPS,
        "/openapi/v3",
        "/openapi/v2",
        "/nothing",
        "/metrics",
    ] {
        let answer = connection.send_with("GET", path, &[own], "").await;
        assert_eq!(told(&answer).0, 401, "{path}");
        let wrong = connection
            .send_with("GET", path, &[own, ("authorization", "Bearer x")], "")
            .await;
        assert_eq!(told(&wrong).1, "Unauthorized", "{path}");
    }
    for path in ["/healthz", "/readyz", "/livez", "/version"] {
        assert_eq!(
            connection.send_with("GET", path, &[own], "").await.0,
            200,
            "{path}"
        );
    }
    let foreign = connection
        .send_with("GET", "/healthz", &[("host", "evil.example")], "")
        .await;
    assert_eq!(told(&foreign).0, 403);
    let token = format!("Bearer {}", served.token());
    let headers = [
        ("host", "localhost"),
        ("authorization", token.as_str()),
        ("origin", "https://evil.example"),
    ];
    assert_eq!(
        told(&connection.send_with("GET", CONFIG_MAPS, &headers, "").await).0,
        403
    );
    served.end().await;
}

#[tokio::test]
async fn a_client_that_trusts_no_one_is_not_served() {
    let served = Served::start().await;
    let stream = tokio::net::TcpStream::connect(served.address).await.unwrap();
    let plain = hyper_util::rt::TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(plain).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::get("/healthz")
        .header("host", "127.0.0.1")
        .body(axum::body::Body::empty())
        .unwrap();
    assert!(
        sender.send_request(request).await.is_err(),
        "plain HTTP is no way in"
    );
    served.end().await;
}

#[tokio::test]
async fn bodies_have_a_limit_and_a_type() {
    let served = Served::start().await;
    let mut connection = served.connect().await;
    let json = "application/json";

    let large = config_map("large", &"x".repeat(4 * 1024 * 1024)).to_string();
    let answer = connection.send("POST", CONFIG_MAPS, json, large).await;
    assert_eq!(
        told(&answer),
        (
            413,
            "RequestEntityTooLarge",
            "Request entity too large: limit is 3145728"
        )
    );
    let mut connection = served.connect().await;
    let above = config_map("above", &"x".repeat(1024 * 1024 + 1)).to_string();
    assert_eq!(
        told(&connection.send("POST", CONFIG_MAPS, json, above).await).0,
        422
    );

    let answer = connection.send("POST", CONFIG_MAPS, "text/plain", "x").await;
    assert_eq!(told(&answer).1, "UnsupportedMediaType");
    let answer = connection
        .send("POST", CONFIG_MAPS, json, "{\"data\": {}, \"data\": {}}")
        .await;
    assert!(told(&answer).2.contains("duplicate field \"data\""), "{answer:?}");
    let answer = connection.send("POST", CONFIG_MAPS, json, "[1]").await;
    assert_eq!(
        told(&answer),
        (400, "BadRequest", "the body is not an object with metadata")
    );
    for body in ["", "{", "null", "7", "{\"metadata\": 7}"] {
        assert_eq!(
            told(&connection.send("POST", CONFIG_MAPS, json, body).await).0,
            400,
            "{body}"
        );
    }
    let nested = format!("{{\"a\": {}1{}}}", "[".repeat(50_000), "]".repeat(50_000));
    assert_eq!(
        told(&connection.send("POST", CONFIG_MAPS, json, nested).await).0,
        400
    );

    let yaml = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: yaml\ndata:\n  a: b\n";
    assert_eq!(
        connection
            .send("POST", CONFIG_MAPS, "application/yaml", yaml)
            .await
            .0,
        201
    );
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n\
                d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n";
    let started = std::time::Instant::now();
    assert_eq!(
        told(
            &connection
                .send("POST", CONFIG_MAPS, "application/yaml", bomb)
                .await
        )
        .0,
        400
    );
    assert!(started.elapsed() < crate::served::DEADLINE);
    served.end().await;
}
