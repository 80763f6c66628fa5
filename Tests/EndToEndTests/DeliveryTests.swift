// SPDX-License-Identifier: Apache-2.0

import Cryptography
import DevCluster
import Foundation
import HTTPTransport
import Model
import PostgresClient
import RedisClient
import Testing

/// Deliveries in great number while the gateway dies again and again. `DELIVERIES=100000` is the long form.
@Suite(.serialized) struct `Deliveries` {
    private static let count =
        ProcessInfo.processInfo.environment["DELIVERIES"].flatMap { Int($0) } ?? 3_000
    /// So that a gateway dies several times even in the short form.
    private static let perSecond = count > 10_000 ? 2_000.0 : 400.0
    private static let senders = 24
    private static let gatewayLife: Duration = .milliseconds(1_500)
    private static let secret = "whsec_new"

    /// What a provider heard of its deliveries.
    private struct Heard {
        var next = 0
        /// Events that are the provider's own, whatever was answered.
        var sent: Set<String> = []
        /// Events with an answer of 2xx.
        var accepted: Set<String> = []
        var acceptedDeliveries = 0
        /// Attempts without an answer, or with 503.
        var broken = 0
        /// Forged requests with another answer than 401.
        var wrong: [String] = []
        var refused = 0
    }

    /// One delivery: three of ten repeat an earlier event, one of ten is forged.
    private enum Kind {
        case event(Int)
        case forged(Int)

        init(_ number: Int) {
            switch number % 10 {
            case 3: self = .forged(number)
            case 5, 7, 9:
                // Some repeat the newest event, perhaps while it is being kept, others an old one.
                let earlier = number % 20 == 5 ? number - 1 : ((number &* 2_654_435_761) >> 12) % number
                self = .event(earlier - earlier % 10)
            default: self = .event(number)
            }
        }
    }

    @Test
    func `that got 2xx are done exactly once, and nothing else is, however often the gateway is killed`()
        async throws
    {
        try await WebhookCluster.run { hooks in
            let id = try await hooks.connect("stripe")
            try await hooks.sync("stripe")
            let rows = try await hooks.cluster.pool.query(
                "SELECT external_id FROM lockstep.records WHERE stream = 'customers' AND deleted_at IS NULL")
            // A few: each batch of events fetches what they name, and Stripe's limit is not what this is about.
            let customers = (0..<rows.count).compactMap { rows.text($0, 0) }.prefix(6).map(\.self)
            let heard = LockedBox(Heard())

            let isSent = LockedBox(false)
            async let killing = Self.killAgainAndAgain(hooks, until: isSent)
            await Self.sendAll(hooks, id, customers, heard)
            isSent.withLock { $0 = true }
            let kills = try await killing
            try await hooks.settled(within: .seconds(Self.count > 10_000 ? 900 : 240))

            let result = heard.withLock { $0 }
            print(
                "\(Self.count) deliveries, \(result.acceptedDeliveries) accepted of \(result.accepted.count) events, "
                    + "\(result.refused) refused, \(result.broken) attempts broken by \(kills) kills")
            #expect(kills >= 3 && result.broken > 0, "nothing was killed in the middle")
            #expect(result.wrong == [], "forged and not refused")
            #expect(result.refused > 0)
            let events = try await hooks.cluster.pool.query(
                "SELECT event_id FROM lockstep.webhook_events")
            let names = (0..<events.count).compactMap { events.text($0, 0) }
            let kept = Set(names)
            #expect(names.count == kept.count, "an event has several rows")
            let open = try await hooks.cluster.count(
                "webhook_events WHERE status NOT IN ('done', 'ignored')")
            let states = try await hooks.states()
            #expect(open == 0, "\(states)")
            #expect(result.accepted.subtracting(kept) == [], "accepted, and not kept")
            // An event whose answer was lost may have been kept; one that was never sent cannot.
            #expect(kept.subtracting(result.sent) == [])
            #expect(try await hooks.cluster.count("webhook_events WHERE event_id LIKE '%forged%'") == 0)
            #expect(try await hooks.cluster.redis.command(["LLEN", "lockstep:dead"]).int == 0)
            #expect(try await hooks.verify() == nil)
        }
    }

    /// Starts a gateway, kills it when it has served for a while, and begins anew. Returns how many were killed.
    private static func killAgainAndAgain(
        _ hooks: WebhookCluster, until isSent: LockedBox<Bool>
    ) async throws -> Int {
        var environment = hooks.cluster.processes.environment
        environment["LOCKSTEP_LISTEN"] = "127.0.0.1:\(hooks.port)"
        environment["LOCKSTEP_PRIVATE_LISTEN"] = "127.0.0.1:0"
        environment["LOCKSTEP_LOG_LEVEL"] = "error"
        var kills = 0
        while !isSent.withLock({ $0 }) {
            let gateway = try await ChildProcess.start(
                name: "gateway", program: "\(Cluster.programs)/lockstep", arguments: ["gateway"],
                environment: environment, log: "/dev/null")
            try await untilServed(hooks)
            try await ContinuousClock().sleep(for: gatewayLife)
            gateway.signal(SIGKILL)
            _ = await gateway.wait()
            kills += 1
        }
        return kills
    }

    /// On a busy machine a start takes its time.
    private static func untilServed(_ hooks: WebhookCluster) async throws {
        let limit = ContinuousClock.now + .seconds(60)
        let request = HTTPRequest(method: "GET", url: "http://127.0.0.1:\(hooks.port)/healthz", headers: [])
        while ContinuousClock.now < limit {
            do throws(HTTPError) {
                if try await hooks.http.send(request).status == 200 { return }
            } catch {
                // Nobody listens yet.
            }
            try await ContinuousClock().sleep(for: .milliseconds(20))
        }
        Issue.record("the gateway does not serve")
    }

    private static func sendAll(
        _ hooks: WebhookCluster, _ id: Int64, _ customers: [String], _ heard: LockedBox<Heard>
    ) async {
        let start = ContinuousClock.now
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<senders {
                group.addTask {
                    while true {
                        let number = heard.withLock { heard -> Int in
                            defer { heard.next += 1 }
                            return heard.next
                        }
                        guard number < count else { return }
                        do {
                            let due = start + .seconds(Double(number) / perSecond)
                            try await ContinuousClock().sleep(until: due)
                            try await deliver(Kind(number), hooks, "stripe/\(id)", customers, heard)
                        } catch {
                            Issue.record("delivery \(number): \(error)")
                        }
                    }
                }
            }
        }
    }

    /// Sends one delivery. Half of the events are sent again until there is an answer of 2xx; the others are given up.
    private static func deliver(
        _ kind: Kind, _ hooks: WebhookCluster, _ path: String, _ customers: [String],
        _ heard: LockedBox<Heard>
    ) async throws {
        guard case .event(let number) = kind else {
            return try await forge(kind, hooks, path, customers, heard)
        }
        let (name, body) = event(number, customers)
        heard.withLock { _ = $0.sent.insert(name) }
        let limit = ContinuousClock.now + .seconds(180)
        while ContinuousClock.now < limit {
            let status = try await post(hooks, path, headers: try signature(body), body: body)
            if let status, (200..<300).contains(status) {
                heard.withLock {
                    $0.accepted.insert(name)
                    $0.acceptedDeliveries += 1
                }
                return
            }
            #expect(status == nil || status == 503, "\(name)")
            heard.withLock { $0.broken += 1 }
            if number % 4 < 2 { return }
            try await ContinuousClock().sleep(for: .milliseconds(100))
        }
        Issue.record("\(name) was not accepted within three minutes")
    }

    private static func forge(
        _ kind: Kind, _ hooks: WebhookCluster, _ path: String, _ customers: [String],
        _ heard: LockedBox<Heard>
    ) async throws {
        guard case .forged(let number) = kind else { return }
        let (name, body) = event(number, customers, prefix: "evt_forged")
        var (headers, sent) = (try signature(body), body)
        switch number / 10 % 5 {
        case 0: sent[20] ^= 1
        case 1: headers = try signature(body, secret: "whsec_another")
        case 2: headers = try signature(body, at: Timestamp.now().seconds - 400)
        case 3: headers = []
        default: sent += [0x20]
        }
        guard let status = try await post(hooks, path, headers: headers, body: sent) else { return }
        heard.withLock { heard in
            if status == 401 { heard.refused += 1 } else { heard.wrong.append("\(name): \(status)") }
        }
    }

    /// The status of the answer; nil when there was none.
    private static func post(
        _ hooks: WebhookCluster, _ path: String, headers: [(name: String, value: String)], body: [UInt8]
    ) async throws -> Int? {
        do {
            return try await hooks.post(path, headers: headers, body: body).status
        } catch is HTTPError {
            return nil
        }
    }

    /// An event of a customer, or one that no rule of the connector concerns.
    private static func event(
        _ number: Int, _ customers: [String], prefix: String = "evt"
    ) -> (name: String, body: [UInt8]) {
        let name = "\(prefix)_\(number)"
        let type = number % 10 == 8 ? "topup.created" : "customer.updated"
        let body = """
            {"id":"\(name)","object":"event","type":"\(type)","data":{"object":{"id":"\(customers[number % customers.count])"}}}
            """
        return (name, Array(body.utf8))
    }

    private static func signature(
        _ body: [UInt8], secret: String = secret, at time: Int64 = Timestamp.now().seconds
    ) throws -> [(name: String, value: String)] {
        let code = try HMAC.sha256(key: Array(secret.utf8), message: Array("\(time).".utf8) + body)
        return [("Stripe-Signature", "t=\(time),v1=\(Hex.encode(code))")]
    }
}
