// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import Model
import PageScanner

/// The copy of one stream that a fixture's sync makes, by the engine's rules and without its store.
struct FixtureCopy: Sendable {
    /// Each live record's id, with its parent's, and its JSON.
    var records: [String: [UInt8]] = [:]
    var cursors: [String: Cursor] = [:]

    var ids: Set<String> { Set(records.keys) }
}

/// One enumeration, as the engine would read it.
struct FixtureEnumeration {
    enum End {
        case complete(TerminalCondition)
        case failed(ConnectorError)
        /// The list goes in circles; the reason is for people.
        case loop(String)
    }

    private(set) var seen: Set<String> = []
    /// An id that came twice in one enumeration.
    private(set) var double: String?
    private(set) var end = End.loop("it was not read")
    private(set) var pages = 0
    let partition: String

    var isComplete: Bool { if case .complete = end { true } else { false } }

    private static let maximumPages = 100

    /// What happens to the reader after each page.
    enum Interruption: Sendable {
        case none
        /// It is left, and another one goes on from its position.
        case left
        /// It dies before the page is stored: another one goes on from the position before, and reads the page again.
        case died
        /// It is left after the first page, for good. A cursor stays only where each page has one that is safe.
        case stopped
    }

    /// Reads to the end, unless it is interrupted.
    init(
        _ strategy: any SyncStrategy, _ slice: StreamSlice, order: CursorOrder, isFull: Bool,
        into copy: inout FixtureCopy, interruption: Interruption = .none
    ) async {
        partition = slice.partition
        let stored = copy.cursors[slice.partition]
        var cursor = stored
        var pending: Cursor?
        func make(_ position: PagePosition?) -> any PageReader {
            if !isFull, let cursor {
                return strategy.incrementalSync(of: slice, since: cursor, resumingAt: position)
            }
            return strategy.fullSync(of: slice, resumingAt: position)
        }
        var reader = make(nil)
        var positions: Set<PagePosition> = []
        var lastBody: [UInt8]?
        var storedPosition: PagePosition?
        var hasDied = false
        while true {
            let page: Page
            switch await Self.next(reader) {
            case .success(let next): page = next
            case .failure(let error):
                end = .failed(error)
                return
            }
            pages += 1
            if interruption == .died, !hasDied, pages < Self.maximumPages {
                hasDied = true
                reader = make(storedPosition)
                continue
            }
            hasDied = false
            note(page.scanned, slice, &copy)
            if let found = page.cursor {
                if order == .ascending {
                    cursor = Self.later(cursor, found)
                } else {
                    pending = Self.later(pending, found)
                }
            }
            let body = (page.listed ?? page.scanned).body
            if !page.scanned.records.isEmpty, body == lastBody {
                end = .loop("a page came twice")
                return
            }
            lastBody = body
            switch page.continuation {
            case .end(let condition):
                let moved = pending.map { Self.later(isFull ? nil : stored, $0) } ?? cursor
                copy.cursors[slice.partition] = order == .none ? nil : moved
                end = .complete(condition)
                return
            case .next(let position):
                guard positions.insert(position).inserted else {
                    end = .loop("a position came twice")
                    return
                }
                guard pages < Self.maximumPages else {
                    end = .loop("there are more than \(Self.maximumPages) pages")
                    return
                }
                storedPosition = position
                switch interruption {
                case .none: break
                case .left, .died: reader = make(position)
                case .stopped:
                    copy.cursors[slice.partition] = order == .ascending ? cursor : stored
                    return
                }
            }
        }
    }

    private mutating func note(_ page: ScannedPage, _ slice: StreamSlice, _ copy: inout FixtureCopy) {
        for record in page.records {
            let own = String(decoding: page.identifiers[record.identifierRange], as: UTF8.self)
            let id = slice.partition.isEmpty ? own : "\(slice.partition)/\(own)"
            if record.isTombstone {
                copy.records[id] = nil
                seen.remove(id)
                continue
            }
            if !seen.insert(id).inserted { double = double ?? id }
            copy.records[id] = Array(page.body[record.range])
        }
    }

    private static func later(_ old: Cursor?, _ new: Cursor) -> Cursor {
        guard let old, let oldOrder = old.order, let newOrder = new.order else { return new }
        return newOrder >= oldOrder ? new : old
    }

    /// Asks as often as the engine does, without its waits.
    private static func next(_ reader: any PageReader) async -> Result<Page, ConnectorError> {
        var limited = 0
        var failed = 0
        while true {
            do throws(ConnectorError) {
                return .success(try await reader.nextPage())
            } catch {
                switch error.errorClass {
                case .rateLimited where limited < 10: limited += 1
                case .transient where failed < 2: failed += 1
                default: return .failure(error)
                }
            }
        }
    }
}
