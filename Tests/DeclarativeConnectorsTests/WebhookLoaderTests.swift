// SPDX-License-Identifier: Apache-2.0

import BuiltinConnectors
import ConnectorKit
import Foundation
import Model
import PageScanner
import Testing

@testable import DeclarativeConnectors

@Suite struct `What a manifest says of notifications` {
    private static func text(_ webhook: String) -> String {
        """
        lockstep: 1
        service: demo
        base_url: https://api.example.com
        webhook:
        \(webhook.split(separator: "\n").map { "  \($0)" }.joined(separator: "\n"))
        streams:
          items: { path: /items, records: /data, id: /id, page: { kind: none }, fetch: { path: "/items/${id}", gone: [404] } }
          plain: { path: /plain, records: /data, id: /id, page: { kind: none } }
          parts:
            parent: { stream: items, values: { item: /id } }
            path: "/items/${parent.item}/parts"
            records: /data
            id: /id
            page: { kind: none }
            fetch: { path: "/items/${parent.item}/parts/${id}", gone: [404] }
          bits:
            parent: { stream: parts, values: { part: /id } }
            path: "/items/${parent.item}/bits"
            records: /data
            id: /id
            skip_id: "${parent.part}"
            page: { kind: none }
            fetch: { path: "/parts/${parent.part}/bits/${id}", gone: [404] }
        """
    }

    private static func problems(_ webhook: String) -> [String] {
        do throws(ManifestError) {
            _ = try ManifestLoader.load(text(webhook), file: "demo.yaml")
            return []
        } catch {
            return error.problems.map { "\($0.key): \($0.message)" }
        }
    }

    private static let secret = "secret: \"${secret.webhook_secret}\"\n"
    private static let hmac = "scheme: hmac\n" + secret + "events: [{ stream: plain }]\n"

    @Test func `ends a watch by what is kept of it`() {
        func watch(_ more: String) -> [String] {
            Self.problems(
                "scheme: google_channel\nwatches:\n  - stream: items\n    method: POST\n    path: /watch\n"
                    + "    body: { id: \"${watch.id}\" }\n    expires: { pointer: /e, format: epoch_seconds }\n"
                    + "    renew_before: 24h\n" + more)
        }
        let stop =
            "    stop: { method: POST, path: /stop, body: { id: \"${watch.id}\", r: \"${watch.resource}\" } }"
        #expect(watch("    resource: /r\n" + stop) == [])
        #expect(watch(stop) == ["webhook.watches[0].stop: ${watch.resource} has no value in this request"])
        #expect(
            watch("    stop: { path: \"/stop/${watch.token}\" }")
                == ["webhook.watches[0].stop: ${watch.token} has no value in this request"])
        #expect(
            watch("    query: { r: \"${watch.resource}\" }")
                == ["webhook.watches[0].path: ${watch.resource} has no value in this request"])
    }

    @Test func `may have several events, each named by several values`() throws {
        let connector = try ManifestLoader.load(
            Self.text(
                "scheme: hubspot\n" + Self.secret
                    + "each: /batch\nevent_id: [/a, /b/c, header:X-D]\nevents: [{ stream: items, object: /o/id }]"
            ), file: "demo.yaml")

        let profile = try #require(connector.webhook)
        #expect(profile.each == (try .init("/batch")))
        #expect(
            profile.eventID == [.body(try .init("/a")), .body(try .init("/b/c")), .header("X-D")])
    }

    /// Whether the channel is gone or merely hidden its own request would not say; the list does.
    @Test(arguments: ["channel_deleted", "group_deleted"])
    func `of Slack asks for the list of channels when one was deleted`(type: String) throws {
        let manifest = try #require(BuiltinManifests.all.first { $0.file == "slack.yaml" })
        let connector = try ManifestLoader.load(manifest.text, file: manifest.file)
        let body = #"{"team_id":"T1","event":{"type":"\#(type)","channel":"C1"}}"#

        #expect(
            connector.changes(in: WebhookEvent(type: type, body: Array(body.utf8)))
                == [.stream("channels", partition: nil)])
    }

    @Test func `of HubSpot names the object of each event`() throws {
        let manifest = try #require(BuiltinManifests.all.first { $0.file == "hubspot.yaml" })
        let connector = try ManifestLoader.load(manifest.text, file: manifest.file)
        func changes(_ type: String, _ body: String) -> [WebhookChange] {
            connector.changes(in: WebhookEvent(type: type, body: Array(body.utf8)))
        }

        #expect(connector.webhook?.each == (try .init("")))
        #expect(
            changes("contact.deletion", #"{"objectId":12,"portalId":7}"#)
                == [.object(stream: "contacts", partition: "", id: "12")])
        #expect(
            changes("company.merge", #"{"primaryObjectId":1,"mergedObjectIds":[2,"4"],"newObjectId":3}"#)
                == ["1", "2", "4", "3"].map { .object(stream: "companies", partition: "", id: $0) })
        #expect(changes("deal.merge", #"{"mergedObjectIds":[{"a":1}]}"#) == [])
        #expect(changes("ticket.creation", #"{"objectId":12}"#) == [])
    }

    @Test func `is read with what is usual for the scheme`() throws {
        let connector = try ManifestLoader.load(
            Self.text(
                "scheme: stripe\n" + Self.secret + "events: [{ types: [a.*], stream: items, object: /o/id }]"),
            file: "demo.yaml")

        let profile = try #require(connector.webhook)
        #expect(profile.scheme == .stripe)
        #expect(profile.secret == "webhook_secret")
        #expect(profile.eventID == [.body(try .init("/id"))])
        #expect(profile.eventType == .body(try .init("/type")))
        #expect(
            connector.changes(in: WebhookEvent(type: "a.b", body: Array(#"{"o":{"id":"x"}}"#.utf8)))
                == [.object(stream: "items", partition: "", id: "x")])
        #expect(
            connector.changes(in: WebhookEvent(type: "b.a", body: Array(#"{"o":{"id":"x"}}"#.utf8))) == [])
        #expect(connector.changes(in: WebhookEvent(type: "a.b", body: Array("{}".utf8))) == [])
        #expect(connector.changes(in: WebhookEvent(type: "a.b", body: [])) == [])
    }

    @Test func `names an object of a child's child by all that it is in`() throws {
        let connector = try ManifestLoader.load(
            Self.text(
                "scheme: stripe\n" + Self.secret
                    + "events: [{ stream: bits, object: [/new, /id], parent: [/part, /old], grandparent: /item }]"
            ), file: "demo.yaml")
        func changes(_ body: String) -> [WebhookChange] {
            connector.changes(in: WebhookEvent(type: "a", body: Array(body.utf8)))
        }

        #expect(
            changes(#"{"id":"b1","old":"p1","item":"i1"}"#)
                == [.object(stream: "bits", partition: "i1/p1", id: "b1")])
        #expect(
            changes(#"{"id":"b1","new":"b2","part":"p2","old":"p1","item":"i1"}"#)
                == [.object(stream: "bits", partition: "i1/p2", id: "b2")])
        #expect(changes(#"{"id":"b1","item":"i1"}"#) == [])
        #expect(changes(#"{"id":"b1","part":"p1"}"#) == [])
        // The list that has the parent as well leaves it out.
        #expect(changes(#"{"id":"p1","part":"p1","item":"i1"}"#) == [])
    }

    @Test func `describes a signature of its own`() throws {
        let connector = try ManifestLoader.load(
            Self.text(
                Self.hmac
                    + "hmac: { algorithm: sha512, header: X-Sig, prefix: v1=, encoding: base64, signed: '${timestamp}.${header.X-Id}.${body}', timestamp: X-Time, timestamp_unit: milliseconds, tolerance: 2m }"
            ), file: "demo.yaml")

        #expect(
            connector.webhook?.scheme
                == .hmac(
                    HMACScheme(
                        header: "X-Sig", prefix: "v1=", algorithm: .sha512, encoding: .base64,
                        signed: [.timestamp, .text("."), .header("X-Id"), .text("."), .body],
                        time: HMACScheme.Time(
                            header: "X-Time", unit: .milliseconds, tolerance: .seconds(120)))))
    }

    private static let wrong: [(webhook: String, problem: String)] = [
        (
            "scheme: slak\nSECRET\nevents: [{ stream: plain }]",
            "webhook.scheme: 'slak' is unknown (did you mean 'slack'?)"
        ),
        ("scheme: slack\nevents: [{ stream: plain }]", "webhook.secret: is missing"),
        ("scheme: slack\nsecret: abc\nevents: [{ stream: plain }]", "webhook.secret: 'abc' is not allowed"),
        ("scheme: slack\nSECRET", "webhook.events: is missing"),
        (
            "scheme: slack\nSECRET\nevents: [{ stream: itms }]",
            "webhook.events[0].stream: 'itms' is no stream"
        ),
        (
            "scheme: slack\nSECRET\nevents: [{ stream: plain, object: /x }]",
            "webhook.events[0].object: stream 'plain' does not say how one object is fetched"
        ),
        (
            "scheme: slack\nSECRET\nevents: [{ stream: parts, object: /x }]",
            "webhook.events[0].parent: is missing"
        ),
        (
            "scheme: slack\nSECRET\nevents: [{ stream: plain, parent: /x }]",
            "webhook.events[0].parent: means nothing"
        ),
        (
            "scheme: slack\nSECRET\nevents: [{ stream: bits, object: /x, parent: /y }]",
            "webhook.events[0].grandparent: is missing"
        ),
        (
            "scheme: slack\nSECRET\nevents: [{ stream: parts, object: /x, parent: /y, grandparent: /z }]",
            "webhook.events[0].grandparent: means nothing"
        ),
        (
            "scheme: slack\nSECRET\nevents: [{ stream: plain, types: [a*b] }]",
            "webhook.events[0].types: has to be names"
        ),
        (
            "scheme: hubspot\nSECRET\nevents: [{ stream: plain, types: [a] }]",
            "webhook.event_type: is missing"
        ),
        (
            "scheme: hubspot\nSECRET\nevent_id: []\nevents: [{ stream: plain }]",
            "webhook.event_id: has to be a place, or a list of places"
        ),
        ("scheme: google_channel\neach: /a", "webhook.each: means nothing for a channel"),
        (
            "scheme: google_pubsub\nkeys_url: https://a.example\nSECRET\neach: ''\nevents: [{ stream: plain }]",
            "webhook.each: means nothing for a message of Pub/Sub"
        ),
        ("scheme: google_channel\nSECRET", "webhook.secret: means nothing for a channel"),
        ("scheme: google_channel\naccount: /a", "webhook.account: means nothing for a channel"),
        ("scheme: google_pubsub\nSECRET\nevents: [{ stream: plain }]", "webhook.keys_url: is missing"),
        (
            "scheme: google_pubsub\nkeys_url: http://a.example\nSECRET\nevents: [{ stream: plain }]",
            "webhook.keys_url: 'http://a.example' is not allowed"
        ),
        ("HMAC", "webhook.hmac: is missing"),
        (
            "HMAC\nhmac: { header: X, signed: '${timestamp}' }",
            "webhook.hmac.signed: has to have ${body} once"
        ),
        (
            "HMAC\nhmac: { header: X, signed: '${body}', timestamp: X-T }",
            "webhook.hmac.signed: has to have ${timestamp}"
        ),
        ("HMAC\nhmac: { header: X, signed: '${body}${timestamp}' }", "webhook.hmac.timestamp: is missing"),
        (
            "HMAC\nhmac: { header: X, signed: '${body}${secret.x}' }",
            "webhook.hmac.signed: '${body}${secret.x}' is not"
        ),
        (
            "HMAC\nhmac: { header: X, signed: '${body}', tolerance: 5m }",
            "webhook.hmac.tolerance: means nothing"
        ),
        (
            "scheme: slack\nhmac: { header: X, signed: '${body}' }\nSECRET\nevents: [{ stream: plain }]",
            "webhook.hmac: means nothing for scheme 'slack'"
        ),
    ]

    @Test(arguments: wrong.indices)
    func `is refused where it would accept too much or nothing`(index: Int) {
        let (text, problem) = Self.wrong[index]
        let webhook = text.replacingOccurrences(of: "HMAC", with: Self.hmac)
            .replacingOccurrences(of: "SECRET", with: Self.secret)
        let problems = Self.problems(webhook)
        #expect(problems.contains { $0.hasPrefix(problem) }, "\(problems)")
    }

    @Test func `names what Slack's events are about`() throws {
        let registry = try ConnectorRegistry.load(builtin: BuiltinManifests.all, directories: [])
        let slack = try #require(registry.connector(for: "slack"))
        func changes(_ event: String, _ type: String) -> [WebhookChange] {
            slack.changes(in: WebhookEvent(type: type, body: Array(#"{"event":\#(event)}"#.utf8)))
        }

        #expect(
            changes(#"{"type":"user_change","user":{"id":"U1"}}"#, "user_change")
                == [.object(stream: "users", partition: "", id: "U1")])
        #expect(
            changes(#"{"channel":{"id":"C1"}}"#, "channel_rename")
                == [.object(stream: "channels", partition: "", id: "C1")])
        #expect(
            changes(#"{"channel":"C1"}"#, "channel_archive") == [
                .object(stream: "channels", partition: "", id: "C1")
            ])
        let message = { (id: String) in [WebhookChange.object(stream: "messages", partition: "C1", id: id)] }
        #expect(changes(#"{"channel":"C1","ts":"1.5"}"#, "message") == message("1.5"))
        #expect(
            changes(
                #"{"channel":"C1","ts":"2.0","subtype":"message_changed","message":{"ts":"1.5"}}"#, "message")
                == message("1.5"))
        #expect(
            changes(#"{"channel":"C1","ts":"2.0","subtype":"message_deleted","deleted_ts":"1.5"}"#, "message")
                == message("1.5"))
        #expect(changes(#"{"channel":"C1"}"#, "app_mention") == [])
    }
}
