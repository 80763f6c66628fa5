// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import ChangeFeed
import Cryptography
import Foundation
import HTTPTransport
import Model
import Settings
import SyncStore
import Vault
import Webhooks

struct SubscriptionsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "subscriptions", abstract: "Receivers that are told of changed records.",
        subcommands: [
            Add.self, List.self, Show.self, Pause.self, Resume.self, Remove.self, Replay.self,
        ])

    struct Add: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Tell a receiver of changed records from now on.",
            discussion: """
                Prints the secret with which each request is signed. It is shown this once: keep it where the receiver is.
                """)

        @Argument(help: "Where the events go: https://host[:port][/path].")
        var url: String
        @Option(help: "Only records of this service.")
        var service: String?
        @Option(help: "Only records of this stream.")
        var stream: String?
        @Option(help: "Only records of this user.")
        var user: String?
        @Option(
            help:
                "Begin behind this cursor, or with 'start' at the oldest record; else with what changes from now on."
        )
        var from: String?
        @OptionGroup var output: OutputOptions

        func run() async throws {
            let cursor = try from.map(SubscriptionsCommand.cursor)
            try await CommandContext.run(requiring: [.database, .keys]) { context in
                try SubscriptionsCommand.check(url, context.settings)
                let store = SubscriptionStore(pool: context.pool)
                let id = try await store.reserve()
                let secret: SecretString
                let sealed: SealedCredential
                do {
                    secret = try WebhookSigner.makeSecret()
                    sealed = try FeedSecret.seal(secret, for: id, try CommandVault.make(context.settings))
                } catch let error as VaultError {
                    throw Exit.complain(error.message, Exit.configuration)
                } catch let error as CryptoError {
                    throw Exit.complain(error.message, Exit.failed)
                }
                try await store.add(
                    id, url: url, SubscriptionFilter(service: service, stream: stream, userID: user),
                    keyID: sealed.keyID, ciphertext: sealed.bytes, after: cursor)
                print(
                    output.json
                        ? "{\"id\":\(id),\"secret\":\(JSONOutput.quoted(secret.exposed))}"
                        : "subscription \(id)\nsecret \(secret.exposed)\nThe secret is not shown again.")
            }
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List subscriptions.")

        @Option(help: "Only subscriptions with a larger id: the next page.")
        var after: Int64 = 0
        @Option(help: "At most this many.")
        var limit = 100
        @OptionGroup var output: OutputOptions

        func run() async throws {
            try await CommandContext.run { context in
                var table = TextTable([
                    "ID", "Status", "Receiver", "Service", "Stream", "User", "Delivered", "Failing", "Dead",
                    "Last delivered", "Last error",
                ])
                let found = try await SubscriptionStore(pool: context.pool).list(
                    after: after, limit: max(1, min(limit, 10_000)))
                for item in found {
                    table.add([
                        "\(item.id)", item.status, SubscriptionsCommand.origin(item.url),
                        item.filter.service ?? "-", item.filter.stream ?? "-", item.filter.userID ?? "-",
                        "\(item.delivered)", "\(item.failing)", "\(item.dead)",
                        TimeOutput.text(item.lastDeliveredAt), item.lastError ?? "-",
                    ])
                }
                table.print(asJSON: output.json)
            }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show a subscription, and the newest events that were given up.")

        @Argument(help: "The subscription's id.")
        var id: Int64
        @OptionGroup var output: OutputOptions

        func run() async throws {
            try await CommandContext.run { context in
                let store = SubscriptionStore(pool: context.pool)
                guard let item = try await store.find(id) else { throw SubscriptionsCommand.unknown(id) }
                var dead = TextTable([
                    "Cursor", "Event", "Integration", "Stream", "Record", "Attempts", "Failed", "Again at",
                    "Error",
                ])
                for change in try await store.dead(of: id, limit: 100) {
                    dead.add([
                        change.cursor.description, change.event, "\(change.integrationID)", change.stream,
                        change.externalID, "\(change.attempts)", TimeOutput.text(change.failedAt),
                        TimeOutput.text(change.dueAt), change.error ?? "-",
                    ])
                }
                let facts = [
                    ("id", "\(item.id)"), ("status", item.status), ("url", item.url),
                    ("service", item.filter.service ?? "-"), ("stream", item.filter.stream ?? "-"),
                    ("user", item.filter.userID ?? "-"), ("cursor", item.cursor.description),
                    ("delivered", "\(item.delivered)"), ("failing", "\(item.failing)"),
                    ("dead", "\(item.dead)"), ("created", TimeOutput.text(item.createdAt)),
                    ("last_delivered", TimeOutput.text(item.lastDeliveredAt)),
                    ("last_failed", TimeOutput.text(item.lastFailedAt)),
                    ("last_error", item.lastError ?? "-"),
                    ("next_look", TimeOutput.text(item.dueAt)),
                ]
                guard output.json else {
                    for (name, value) in facts { print("\(name): \(value)") }
                    if item.dead > 0 { print("\n" + dead.text) }
                    return
                }
                let numbers: Set = ["id", "delivered", "failing", "dead"]
                let members = facts.map { name, value in
                    let text =
                        numbers.contains(name) ? value : value == "-" ? "null" : JSONOutput.quoted(value)
                    return "\(JSONOutput.quoted(name)):\(text)"
                }
                print("{\(members.joined(separator: ",")),\"dead_letters\":\(dead.json)}")
            }
        }
    }

    struct Pause: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Tell nothing for now. What changes meanwhile is told later.")

        @Argument(help: "The subscription's id.")
        var id: Int64

        func run() async throws {
            try await SubscriptionsCommand.change(id, "is paused") { try await $0.pause(id) }
        }
    }

    struct Resume: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Go on where it stopped, after a pause or after the receiver was gone.")

        @Argument(help: "The subscription's id.")
        var id: Int64

        func run() async throws {
            try await SubscriptionsCommand.change(id, "goes on") { try await $0.resume(id) }
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Delete a subscription, its secret and its dead letters.")

        @Argument(help: "The subscription's id.")
        var id: Int64

        func run() async throws {
            try await SubscriptionsCommand.change(id, "is removed") { try await $0.remove(id) }
        }
    }

    struct Replay: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Tell once more: everything behind a cursor, or what was given up.",
            discussion: """
                An event that is told again has the id that it had. A record that has changed since is told as it is now.
                """)

        @Argument(help: "The subscription's id.")
        var id: Int64
        @Option(help: "Everything that changed behind this cursor; 'start' for all records.")
        var from: String?
        @Flag(help: "What was given up.")
        var dead = false

        func validate() throws {
            guard (from == nil) == dead else { throw ValidationError("give --from CURSOR or --dead") }
        }

        func run() async throws {
            if let from {
                let cursor = try SubscriptionsCommand.cursor(from)
                return try await SubscriptionsCommand.change(id, "goes on behind \(cursor)") {
                    try await $0.replay(id, after: cursor)
                }
            }
            try await CommandContext.run { context in
                let store = SubscriptionStore(pool: context.pool)
                guard try await store.find(id) != nil else { throw SubscriptionsCommand.unknown(id) }
                print("\(try await store.replayDead(id)) events are told once more")
            }
        }
    }

    private static func unknown(_ id: Int64) -> ExitCode {
        Exit.complain("there is no subscription \(id)", Exit.noSuchInput)
    }

    private static func change(
        _ id: Int64, _ done: String, _ body: (SubscriptionStore) async throws -> Bool
    ) async throws {
        try await CommandContext.run { context in
            guard try await body(SubscriptionStore(pool: context.pool)) else { throw unknown(id) }
            print("subscription \(id) \(done)")
        }
    }

    private static func cursor(_ text: String) throws -> ChangeCursor {
        if text == "start" { return .start }
        guard let cursor = ChangeCursor(text) else {
            throw Exit.complain(
                "'\(text)' is no cursor; allowed: 'start', or the 32 digits that an event has", Exit.usage)
        }
        return cursor
    }

    /// Records are content: they go over TLS, or to a host that the operator has named.
    private static func check(_ url: String, _ settings: ClusterSettings) throws {
        let hosts = ServiceAddress.hosts(of: settings.serviceURLs)
        let own = ServiceAddress.hosts(of: ["": url]).first ?? ""
        let isSafe = url.hasPrefix("https://") || url.hasPrefix("http://") && hosts.contains(own)
        let isPlain = url.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "#") }
        guard isSafe, isPlain, !own.hasPrefix(":"), !own.contains("@"), url.utf8.count <= 2_048 else {
            throw Exit.complain(
                "the URL is not accepted; allowed: https://host[:port][/path] without user and fragment, or "
                    + "http:// for a host that LOCKSTEP_SERVICE_URLS names", Exit.usage)
        }
    }

    /// The part of a URL without what may be a token.
    private static func origin(_ url: String) -> String {
        guard let scheme = url.firstRange(of: "://") else { return "" }
        return String(url[..<scheme.upperBound]) + url[scheme.upperBound...].prefix { $0 != "/" && $0 != "?" }
    }
}
