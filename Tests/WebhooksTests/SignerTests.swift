// SPDX-License-Identifier: Apache-2.0

import HTTPTransport
import Model
import Testing
import Webhooks

@Suite struct `A signer of outgoing webhooks` {
    private let secret = SecretString("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")

    /// The example of the specification's reference libraries.
    @Test func `signs as the specification's example does`() throws {
        let signer = try #require(WebhookSigner(secret))
        let request = try signer.request(
            to: "https://receiver.example/", id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
            at: Timestamp(seconds: 1_614_265_330), body: Array(#"{"test": 2432232314}"#.utf8))
        let headers = Dictionary(request.headers.map { ($0.name, $0.value) }) { first, _ in first }
        #expect(headers["webhook-id"] == "msg_p5jXN8AQM9LWM0D4loKWxJek")
        #expect(headers["webhook-timestamp"] == "1614265330")
        #expect(headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
        #expect(headers["Content-Type"] == "application/json")
    }

    @Test func `takes its own secrets, and no other text`() throws {
        #expect(WebhookSigner(try WebhookSigner.makeSecret()) != nil)
        for text in [
            "", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_c2hvcnQ=",
            "whpk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_!",
        ] {
            #expect(WebhookSigner(SecretString(text)) == nil)
        }
    }

    @Test func `shows no key`() throws {
        let signer = try #require(WebhookSigner(secret))
        var text = "\(signer) \(String(reflecting: signer))"
        dump(signer, to: &text)
        #expect(!text.contains("MfKQ") && text.contains("<signer>"))
    }
}

@Suite struct `What came of a delivery` {
    private func outcome(_ status: Int, retryAfter: String? = nil) -> DeliveryOutcome {
        DeliveryOutcome(
            HTTPResponse(
                status: status, headers: HTTPHeaders(retryAfter.map { [("Retry-After", $0)] } ?? []),
                body: [],
                url: "https://receiver.example/secret-path"))
    }

    @Test func `is a success for any 2xx, an end for 410, and else a failure without an address`() {
        #expect(outcome(200) == .delivered && outcome(204) == .delivered && outcome(410) == .gone)
        for status in [301, 400, 401, 404, 429, 500, 503] {
            #expect(outcome(status) == .failed(reason: "status \(status)", notBefore: nil))
        }
        #expect(
            DeliveryOutcome(HTTPError(.timeout, "no answer from receiver.example:443"))
                == .failed(reason: "timeout: no answer from receiver.example:443", notBefore: nil))
    }

    @Test func `waits as the receiver asks, an hour at most`() {
        #expect(outcome(429, retryAfter: "7") == .failed(reason: "status 429", notBefore: .seconds(7)))
        #expect(
            outcome(503, retryAfter: "99999") == .failed(reason: "status 503", notBefore: .seconds(3_600)))
        for text in ["0", "-1", "soon", "Wed, 21 Oct 2026 07:28:00 GMT"] {
            #expect(outcome(503, retryAfter: text) == .failed(reason: "status 503", notBefore: nil))
        }
    }
}
