// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOHTTP1
import Testing

@testable import Sandbox

@Suite struct `The providers over HTTP` {
    private static func json(_ text: String) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    }

    @Test func `serve each API at its own path`() async throws {
        try await SandboxServer.serving { probe in
            for (path, key, part) in [
                ("/slack/api/conversations.list", "xoxb-u_1", "\"channels\":[{\"id\":\"C0"),
                ("/gmail/gmail/v1/users/me/messages", "ya29.u_1", "\"messages\":[{\"id\":\""),
                ("/stripe/v1/payment_intents", "sk_test_u_1", "\"data\":[{\"id\":\"pi_3"),
                ("/google-calendar/calendar/v3/users/me/calendarList", "ya29.u_1", "u_1@example.com"),
            ] {
                let answer = try await probe.get(path, key: key)
                #expect(answer.status == 200 && answer.text.contains(part), "\(path): \(answer.text)")
            }
        }
    }

    @Test func `write once for a form with an idempotency key`() async throws {
        try await SandboxServer.serving { probe in
            func id(_ list: String) async throws -> String {
                let page = try Self.json(
                    try await probe.get("/stripe/v1/\(list)?limit=1", key: "sk_test_u_1").text)
                return try #require((page["data"] as? [[String: Any]])?.first?["id"] as? String)
            }
            let form =
                "customer=\(try await id("customers"))&items%5B0%5D%5Bprice%5D=\(try await id("prices"))"
            let key = [("Idempotency-Key", "k"), ("Content-Type", "application/x-www-form-urlencoded")]

            let first = try await probe.post(
                "/stripe/v1/subscriptions", key: "sk_test_u_1", headers: key, form)
            let second = try await probe.post(
                "/stripe/v1/subscriptions", key: "sk_test_u_1", headers: key, form)

            #expect(first.status == 200 && first.text == second.text)
            #expect(second.headers.first(name: "Idempotent-Replayed") == "true")
            #expect(first.headers.first(name: "Stripe-Version") == "2024-06-20")
        }
    }

    @Test func `give tokens that open the API, with real time in Date`() async throws {
        try await SandboxServer.serving { probe in
            let consent = try await probe.post(
                "/oauth/authorize",
                "client_id=lockstep&redirect_uri=http%3A%2F%2Flocalhost%2Fback&response_type=code&state=s"
                    + "&user=u_2&decision=allow")
            #expect(consent.status == 302)
            let target = try #require(consent.headers.first(name: "Location"))
            let parts = try #require(URLComponents(string: target)?.queryItems)
            let code = try #require(parts.first { $0.name == "code" }?.value)
            #expect(parts.first { $0.name == "iss" }?.value == "http://127.0.0.1:\(probe.port)/oauth")

            let answer = try await probe.post(
                "/oauth/token",
                "grant_type=authorization_code&code=\(code)&redirect_uri=http%3A%2F%2Flocalhost%2Fback"
                    + "&client_id=lockstep&client_secret=lockstep-secret")

            let token = try #require(try Self.json(answer.text)["access_token"] as? String)
            let profile = try await probe.get("/gmail/v1/users/me/profile", key: token)
            #expect(profile.text.contains("u_2@example.com"))
            #expect(answer.headers.first(name: "Date")?.contains("2025") == false)
            #expect(profile.headers.first(name: "Date")?.contains("Oct 2025") == true)
        }
    }

    @Test func `keep a limit that the ledger proves`() async throws {
        try await SandboxServer.serving { probe in
            try await probe.send(.limit(service: "slack", count: 5, milliseconds: 60_000))
            for _ in 0..<12 { try await probe.get("/slack/api/auth.test", key: "xoxb-u_1") }

            let window = try await probe.send(.window(milliseconds: 60_000, service: "slack", status: 200))
            let refused = try await probe.send(.ledger(service: "slack", status: 429))

            #expect(try Self.json(window.text)["highest"] as? Int == 5)
            #expect(refused.text.split(separator: "\n").count == 7)
        }
    }
}
