// SPDX-License-Identifier: Apache-2.0

import Foundation
import HTTPTransport
import Model
import TestSupport
import Testing
import Webhooks

/// A receiver as the guide describes it: it checks each request, and keeps what came.
final class Receiver: Sendable {
    struct Event: Sendable, Equatable {
        let id: String
        let type: String
        let cursor: String
        let record: String
        let content: String?
    }

    private let server: ScriptedServer
    private let answers = LockedBox<@Sendable (Event, Int) -> [ScriptedServer.Step]>({ _, _ in
        [.reply("204 No Content")]
    })
    private let kept = LockedBox<[Event]>([])

    init() throws {
        let (answers, kept) = (answers, kept)
        server = try ScriptedServer { request in
            guard let event = Self.event(request) else { return [.reply("400 Bad Request")] }
            let attempt = kept.withLock { kept in
                kept.append(event)
                return kept.count { $0.id == event.id }
            }
            return answers.withLock { $0 }(event, attempt)
        }
    }

    var url: String { server.url("/hook?token=in-the-address") }
    var origin: String { server.origin }
    /// All requests that came, repeated ones too.
    var events: [Event] { kept.withLock { $0 } }
    var requests: [ScriptedServer.Request] { server.log.requests }

    /// Answers from now on: by the event, and how often it came.
    func answer(_ answer: @escaping @Sendable (Event, Int) -> [ScriptedServer.Step]) {
        answers.withLock { $0 = answer }
    }

    func forget() { kept.withLock { $0 = [] } }

    /// What a record is by the events that came, as a receiver that goes by the cursor would have it.
    var copy: [String: String] {
        var newest: [String: Event] = [:]
        for event in events where event.cursor >= newest[event.record]?.cursor ?? "" {
            newest[event.record] = event
        }
        return newest.compactMapValues { $0.type == "record.deleted" ? nil : $0.content }
    }

    /// Nil when a request is not signed with the secret.
    func verify(_ secret: SecretString) -> Bool {
        requests.allSatisfy { request in
            let signed = WebhookRequest(
                method: "POST", url: "", headers: HTTPHeaders(request.headers), body: request.body)
            do throws(WebhookRefusal) {
                try WebhookScheme.standardWebhooks.verify(signed, secrets: [secret], now: .now())
                return true
            } catch {
                return false
            }
        }
    }

    private static func event(_ request: ScriptedServer.Request) -> Event? {
        struct Body: Decodable {
            struct Data: Decodable {
                let external_id: String
                let record: Record?
            }
            struct Record: Decodable { let n: Int }
            let type: String
            let cursor: String
            let data: Data
        }
        guard let id = request.header("webhook-id"),
            let body = try? JSONDecoder().decode(Body.self, from: Data(request.body))
        else { return nil }
        return Event(
            id: id, type: body.type, cursor: body.cursor, record: body.data.external_id,
            content: body.data.record.map { "\($0.n)" })
    }
}
