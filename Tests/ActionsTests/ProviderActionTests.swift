// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import Cryptography
import Foundation
import Model
import PageScanner
import Testing

@Suite struct `Actions at providers` {
    // MARK: - Slack

    @Test func `post a message, with blocks, and an answer in its thread`() async throws {
        try await ProviderFixture.run { provider in
            let channel = try #require(try await provider.ids("slack", "channels").first)
            let posted = try await provider.perform(
                "slack", "post_message",
                input([
                    "channel": .text(channel), "text": .text("Hello \"all\" – 日本"),
                    "blocks": .array([input(["type": .text("divider")])]),
                    "attachments": .array([input(["text": .text("a")])]),
                ]))
            let ts = try #require(posted["ts"] as? String)
            #expect(posted["channel"] as? String == channel)
            _ = try await provider.perform(
                "slack", "post_message",
                input([
                    "channel": .text(channel), "text": .text("An answer"),
                    "thread_ts": .text(ts),
                ]))
            let messages = try await provider.control(
                "objects?user=u_1&service=slack&stream=messages", method: "GET")
            let first = try #require(messages.split(separator: "\n").first { $0.contains(ts) })
            #expect(first.contains(#""blocks":[{"type":"divider"}]"#), "\(first)")
            #expect(first.contains("Hello \\\"all\\\" – 日本"), "\(first)")
            #expect(try await provider.effects("slack", "chat.postMessage").count == 2)
        }
    }

    @Test func `say in the user's words why Slack refused a message`() async throws {
        try await ProviderFixture.run { provider in
            let unknown = try await provider.failure(
                "slack", "post_message", input(["channel": .text("C0NONE"), "text": .text("x")]))
            #expect(unknown.effect == .none)
            #expect(unknown.error.code == "channel_not_found")
            #expect(unknown.error.userMessage.hasPrefix("This Slack channel does not exist"))
            _ = try await provider.control("faults?kind=status&status=200&error=fatal_error&service=slack")
            let channel = try #require(try await provider.ids("slack", "channels").first)
            let fatal = try await provider.failure(
                "slack", "post_message", input(["channel": .text(channel), "text": .text("x")]))
            #expect(fatal.effect == .unknown, "\(fatal.error)")
            #expect(try await provider.effects("slack", "chat.postMessage").isEmpty)
        }
    }

    // MARK: - Stripe

    private static func subscription(
        _ provider: ProviderFixture, card: String? = nil
    ) async throws -> JSONTree {
        let customer = try #require(try await provider.ids("stripe", "customers").first)
        let price = try #require(try await provider.ids("stripe", "prices").first)
        var members: [JSONTree.Member] = [
            .init(name: "customer", value: .text(customer)),
            .init(name: "price", value: .text(price)),
            .init(name: "metadata", value: input(["order": .text("17")])),
        ]
        if let card { members.append(.init(name: "default_payment_method", value: .text(card))) }
        return .object(members)
    }

    @Test func `subscribe a customer once, however often they are sent`() async throws {
        try await ProviderFixture.run { provider in
            let wish = try await Self.subscription(provider)
            let made = try await provider.perform("stripe", "create_subscription", wish)
            #expect(made["status"] as? String == "incomplete")
            #expect((made["client_secret"] as? String)?.isEmpty == false, "\(made)")
            let again = try await provider.perform("stripe", "create_subscription", wish)
            #expect(again["id"] as? String == made["id"] as? String)
            #expect(
                try await provider.effects("stripe", "subscriptions.create") == [made["id"] as? String ?? ""])
            let other = try await provider.failure(
                "stripe", "create_subscription",
                try await Self.subscription(provider, card: "pm_card_visa"))
            #expect(other.effect == .unknown)
            #expect(other.error.code == "idempotency_error")
        }
    }

    @Test(arguments: [
        ("pm_card_chargeDeclined", "card_declined", "This card was declined."),
        ("pm_card_chargeDeclinedInsufficientFunds", "insufficient_funds", "There is not enough money"),
        ("pm_card_chargeDeclinedLostCard", "card_declined", "This card was declined. Try another card"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", "This card has expired."),
        ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", "The security code of this card"),
    ])
    func `say in the user's words why a card was refused`(
        card: String, code: String, words: String
    ) async throws {
        try await ProviderFixture.run { provider in
            let failure = try await provider.failure(
                "stripe", "create_subscription", try await Self.subscription(provider, card: card))
            #expect(failure.effect == .none)
            #expect(failure.error.errorClass == .rejected)
            #expect(failure.error.code == code)
            #expect(failure.error.userMessage.hasPrefix(words), "\(failure.error.userMessage)")
        }
    }

    @Test func `cancel a subscription at its end, or at once and look that up`() async throws {
        try await ProviderFixture.run { provider in
            let made = try await provider.perform(
                "stripe", "create_subscription", try await Self.subscription(provider))
            let id = JSONTree.text(try #require(made["id"] as? String))
            let later = try await provider.perform(
                "stripe", "cancel_subscription", input(["subscription": id]), key: "k2")
            #expect(later["cancel_at_period_end"] as? Bool == true, "\(later)")
            #expect(later["status"] as? String != "canceled")

            let now = input(["subscription": id, "at_period_end": .scalar(.bool(false))])
            let performer = try provider.performer("stripe", "cancel_subscription", now)
            #expect(performer.repetition == .lookedUp(after: .seconds(10)))
            #expect(try await performer.lookUp() == nil)
            let cancelled = try await provider.perform("stripe", "cancel_subscription", now)
            #expect(cancelled["status"] as? String == "canceled")
            #expect(try await performer.lookUp() != nil)
            let gone = try await provider.failure("stripe", "cancel_subscription", now)
            #expect(gone.error.code == "resource_missing")
        }
    }

    @Test func `know an answer of Stripe that comes again whatever is done`() async throws {
        try await ProviderFixture.run { provider in
            let wish = try await Self.subscription(provider)
            try await provider.control(
                "faults?kind=status&status=500&service=stripe&endpoint=subscriptions.create&executes=1")
            #expect(try await provider.failure("stripe", "create_subscription", wish).effect == .unknown)
            let again = try await provider.failure("stripe", "create_subscription", wish)
            #expect(again.effect == .settledUnknown)
        }
    }

    // MARK: - Gmail

    @Test func `send a mail that is found by its name`() async throws {
        try await ProviderFixture.run { provider in
            let wish = input([
                "to": .array([.text("Ada Müller <ada@example.com>"), .text("b@example.com")]),
                "subject": .text("Grüße – 日本"),
                "text": .text("Hallo\nWelt"), "html": .text("<p>Hallo</p>"),
            ])
            let performer = try provider.performer("gmail", "send_email", wish)
            #expect(try await performer.lookUp() == nil)
            let sent = try await provider.perform("gmail", "send_email", wish)
            let id = try #require(sent["id"] as? String)
            #expect(try await provider.effects("gmail", "messages.send") == [id])
            let found = try #require(try await performer.lookUp())
            let answer = try JSONSerialization.jsonObject(with: Data(found.result)) as? [String: String]
            #expect(answer?["id"] == id)
            #expect(answer?["thread_id"] == sent["thread_id"] as? String)

            let kept = try await provider.control(
                "objects?user=u_1&service=gmail&stream=messages", method: "GET")
            let message = try #require(kept.split(separator: "\n").first { $0.contains(id) })
            #expect(message.contains("<key1@lockstep.invalid>"), "\(message)")
        }
    }

    // MARK: - Google Calendar

    @Test func `list the events of a stretch of time`() async throws {
        try await ProviderFixture.run { provider in
            func list(_ begin: String, _ end: String) async throws -> [[String: Any]] {
                let found = try await provider.perform(
                    "google-calendar", "list_events",
                    input(["time_min": .text(begin), "time_max": .text(end)]))
                return try #require(found["events"] as? [[String: Any]])
            }
            let all = try await list("2020-01-01T00:00:00Z", "2030-01-01T00:00:00Z")
            let some = try await list("2025-10-01T00:00:00Z", "2025-11-01T00:00:00Z")
            #expect(all.count > some.count && !some.isEmpty)
            let days = some.compactMap {
                ($0["start"] as? [String: String])?.values.first { $0.hasPrefix("20") }
            }
            #expect(days.count == some.count && days.allSatisfy { $0 >= "2025-09-30" && $0 < "2025-11-02" })
            let empty = try await provider.failure(
                "google-calendar", "list_events",
                input(["time_min": .text("2026-01-01T00:00:00Z"), "time_max": .text("2025-01-01T00:00:00Z")]))
            #expect(empty.error.errorClass == .rejected)
        }
    }
}
