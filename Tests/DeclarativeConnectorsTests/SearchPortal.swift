// SPDX-License-Identifier: Apache-2.0

import BuiltinConnectors
import ConnectorKit
import Foundation
import Model
import PageScanner
import TestSupport
import Testing

@testable import DeclarativeConnectors

/// Contacts as HubSpot gives them: a list, the archived ones, and a search that shows no more than its first results.
///
/// Its clock moves on by an hour with each request, so that no lag of a cursor hides what was skipped.
struct SearchPortal {
    struct Contact: Equatable {
        var text: String
        /// Milliseconds since 1970.
        var changed: Int64
        var isArchived = false
    }

    struct State {
        var contacts: [Int: Contact] = [:]
        /// Seconds since 1970.
        var now: Int64 = 1_795_867_200
        var searches = 0
        var refused = 0
        /// What somebody does after the search with this number was answered. It gets the ids that this search showed.
        var afterSearch: @Sendable (inout State, Int, [Int]) -> Void = { _, _, _ in }

        mutating func edit(_ id: Int, _ text: String) {
            contacts[id] = Contact(text: text, changed: now * 1_000)
        }

        /// The live ones, by their ids.
        var live: [String: String] {
            let live = contacts.filter { !$0.value.isArchived }
            return Dictionary(uniqueKeysWithValues: live.map { (String($0.key), $0.value.text) })
        }
    }

    /// The most results that one search shows, whatever page is asked for.
    static let maximum = 10

    let state: LockedBox<State>
    let provider: Provider

    init(_ manifest: String? = nil) throws {
        let shipped = try #require(BuiltinManifests.all.first { $0.file == "hubspot.yaml" }?.text)
        let state = LockedBox(State())
        self.state = state
        provider = try Provider(manifest ?? shipped) { request in state.withLock { Self.answer(request, &$0) }
        }
    }

    /// Three contacts a page.
    func strategy(_ configuration: [String: String] = [:]) throws -> any SyncStrategy {
        try provider.strategy(
            "contacts", secrets: ["access_token": "t"],
            configuration: configuration.merging(["page_size": "3"]) { own, _ in own })
    }

    // MARK: - Answers

    private static func answer(_ request: ScriptedServer.Request, _ state: inout State) -> [ScriptedServer
        .Step]
    {
        state.now += 3_600
        let date = "Date: \(Self.date(state.now))\r\n"
        guard request.method == "POST" else { return json(list(request.target, state), headers: date) }
        state.searches += 1
        guard let (text, ids) = search(request.body, state) else {
            state.refused += 1
            return [.reply("400 Bad Request", headers: date, body: Array(#"{"status":"error"}"#.utf8))]
        }
        state.afterSearch(&state, state.searches, ids)
        return json(text, headers: date)
    }

    /// By id, from the one that the token names on.
    private static func list(_ target: String, _ state: State) -> String {
        let first = target.split(separator: "after=").dropFirst().first.flatMap {
            Int($0.prefix { $0 != "&" })
        }
        let isArchived = target.contains("archived=true")
        let rest = state.contacts.filter { $0.value.isArchived == isArchived && $0.key >= first ?? 0 }
            .sorted { $0.key < $1.key }
        let next = rest.dropFirst(3).first.map { #","paging":{"next":{"after":"\#($0.key)"}}"# } ?? ""
        return #"{"results":[\#(records(rest.prefix(3)))]\#(next)}"#
    }

    /// Nil for what is refused.
    private static func search(_ body: [UInt8], _ state: State) -> (String, [Int])? {
        guard let body = try? JSONSerialization.jsonObject(with: Data(body)) as? [String: Any],
            let groups = body["filterGroups"] as? [[String: Any]], groups.count == 1,
            let filters = groups[0]["filters"] as? [[String: String]],
            let sort = (body["sorts"] as? [[String: String]])?.first, sort["direction"] == "ASCENDING",
            let limit = body["limit"] as? Int
        else { return nil }
        let offset = (body["after"] as? String).flatMap { Int($0) } ?? 0
        guard offset + limit <= maximum else { return nil }
        var found = state.contacts.filter { !$0.value.isArchived }.map { (id: $0.key, contact: $0.value) }
        for filter in filters {
            guard let bound = filter["value"].flatMap({ Int64($0) }) else { return nil }
            switch (filter["propertyName"], filter["operator"]) {
            case ("lastmodifieddate", "GTE"): found.removeAll { $0.contact.changed < bound }
            case ("hs_object_id", "GT"): found.removeAll { $0.id <= bound }
            default: return nil
            }
        }
        switch sort["propertyName"] {
        case "hs_object_id": found.sort { $0.id < $1.id }
        case "lastmodifieddate": found.sort { ($0.contact.changed, $0.id) < ($1.contact.changed, $1.id) }
        default: return nil
        }
        let page = found.dropFirst(offset).prefix(limit)
        let end = offset + page.count
        let next = end < found.count ? #","paging":{"next":{"after":"\#(end)"}}"# : ""
        let shown = records(page.map { (key: $0.id, value: $0.contact) })
        let text = #"{"total":\#(found.count),"results":[\#(shown)]\#(next)}"#
        return (text, page.map(\.id))
    }

    private static func records(_ contacts: some Sequence<(key: Int, value: Contact)>) -> String {
        contacts.map { id, contact in
            let time = Timestamp(milliseconds: contact.changed).rfc3339
            let rest = #""updatedAt":"\#(time)","archived":\#(contact.isArchived)"#
            return #"{"id":"\#(id)","properties":{"email":"\#(contact.text)"},\#(rest)}"#
        }.joined(separator: ",")
    }

    private static func date(_ seconds: Int64) -> String {
        let formatter = DateFormatter()
        formatter.locale = Locale(identifier: "en_US_POSIX")
        formatter.timeZone = TimeZone(secondsFromGMT: 0)
        formatter.dateFormat = "EEE, dd MMM yyyy HH:mm:ss 'GMT'"
        return formatter.string(from: Date(timeIntervalSince1970: TimeInterval(seconds)))
    }
}

/// A copy of a stream whose cursor moves at the end of an enumeration, as the engine keeps it.
struct PortalCopy {
    enum Crash {
        case never
        /// Each reader gives one page, which is stored.
        case afterPages
        /// Each page is read twice: the first reader ends before the page is stored.
        case beforePages
    }

    private(set) var records: [String: String] = [:]
    private(set) var cursor: Cursor?
    /// How often each object was shown by the last enumeration.
    private(set) var shown: [String: Int] = [:]

    mutating func sync(_ strategy: any SyncStrategy, full: Bool = false, crash: Crash = .never) async throws {
        let since = full ? nil : cursor
        func reader(_ position: PagePosition?) -> any PageReader {
            guard let since else { return strategy.fullSync(of: .whole, resumingAt: position) }
            return strategy.incrementalSync(of: .whole, since: since, resumingAt: position)
        }
        shown = [:]
        var newest = since
        var position: PagePosition?
        var current = reader(nil)
        var pages = 0
        while true {
            pages += 1
            // A list that goes in circles ends, and is seen.
            try #require(pages < 500)
            if crash == .beforePages {
                _ = try await current.nextPage()
                current = reader(position)
            }
            let page = try await current.nextPage()
            store(page.scanned)
            if let found = page.cursor, found.order ?? 0 >= newest?.order ?? .min { newest = found }
            guard case .next(let next) = page.continuation else { break }
            #expect(next != position)
            position = next
            if crash != .never { current = reader(next) }
        }
        cursor = newest
        if full { records = records.filter { shown[$0.key] != nil } }
    }

    private mutating func store(_ page: ScannedPage) {
        for record in page.records {
            let id = String(decoding: page.identifiers[record.identifierRange], as: UTF8.self)
            guard !record.isTombstone else {
                records[id] = nil
                continue
            }
            shown[id, default: 0] += 1
            let text = Array(page.body[record.range])
            records[id] = (try? JSONPointer("/properties/email"))
                .flatMap { JSONValueReader.scalarText(at: $0, in: text) }
        }
    }
}
