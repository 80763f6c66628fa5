// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// The answers that were given to idempotency keys; the same key gets the same answer, failures included
/// (https://docs.stripe.com/api/idempotent_requests).
struct IdempotencyKeys: Sendable {
    struct Key: Hashable, Sendable {
        let user: Int
        let text: String
    }

    private struct Saved {
        let fingerprint: String
        let status: Int
        let headers: [(name: String, value: String)]
        let body: ByteBuffer
        let request: Int
    }

    /// More keys are refused, as a sign that a test runs wild.
    private static let limit = 1_000_000
    static let lengthLimit = 255

    private var saved: [Key: Saved] = [:]

    /// The saved answer; throws when it was given for another request.
    func answer(_ key: Key, _ fingerprint: String) throws(StripeAPI.Refusal) -> SandboxResponse? {
        guard let saved = saved[key] else { return nil }
        guard saved.fingerprint == fingerprint else { throw StripeAPI.Refusal(otherRequest: key.text) }
        var response = SandboxResponse(status: saved.status, body: saved.body)
        response.headers =
            saved.headers + [
                ("Idempotent-Replayed", "true"), ("Original-Request", "req_\(saved.request)"),
            ]
        response.write = WriteNote(key: key.text, isReplay: true)
        return response
    }

    /// Keeps an answer that came after the work had begun; refusals of wrong parameters are not kept.
    mutating func save(_ response: SandboxResponse, _ key: Key, _ fingerprint: String, request: Int) {
        guard saved[key] == nil, saved.count < Self.limit else { return }
        saved[key] = Saved(
            fingerprint: fingerprint, status: response.status, headers: response.headers,
            body: response.body, request: request)
    }
}

extension StripeAPI.Refusal {
    fileprivate init(otherRequest key: String) {
        response = StripeAPI.failure(
            400, nil,
            "Keys for idempotent requests can only be used with the same parameters they were first used "
                + "with. Try using a key other than '\(key)' if you meant to execute a different request.",
            type: "idempotency_error")
    }
}
