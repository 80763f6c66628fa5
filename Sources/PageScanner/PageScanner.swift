// SPDX-License-Identifier: Apache-2.0

import CSimdJSON
import Model

/// Scans the pages of one stream by one plan, of several tasks at a time.
public final class PageScanner: Sendable {
    /// Bytes behind the body that simdjson may read. A body whose array has no room for them is copied first.
    public static let padding = 64

    /// What is looked for.
    public let plan: ScanPlan
    private let compiled: CompiledPlan

    /// A scanner; it holds memory for pages only while it scans one.
    public init(plan: ScanPlan) {
        self.plan = plan
        compiled = CompiledPlan(plan)
    }

    /// Finds the records of a page. One bad record is rejected and the page goes on; a page that is not what the plan
    /// describes throws. A cursor value beyond `cursorLimit` counts as none.
    public func scan(
        _ body: consuming [UInt8], cursorLimit: Int64 = .max
    ) throws(PageScanError) -> ScannedPage {
        var body = body
        guard body.count <= Int(UInt32.max) - Self.padding else {
            throw PageScanError(.tooManyRecords, "the page has more than 4 GiB")
        }
        if body.capacity < body.count + Self.padding { body.reserveCapacity(body.count + Self.padding) }
        guard let first = body.first(where: { $0 > 0x20 }) else {
            // Of lines there may be none.
            if plan.layout == .lines { return ScannedPage.empty(plan) }
            throw PageScanError(.notJSON, "the page is empty")
        }
        if first == UInt8(ascii: "<") { throw PageScanError(.html, "the page is markup, not JSON") }
        if case .csv(let delimiter) = plan.layout {
            body = try CSVTable(body, delimiter: delimiter, needed: Set(plan.id.compactMap(\.tokens.first)))
                .lines()
            body.reserveCapacity(body.count + Self.padding)
        }
        let scanner = try ScannerMemory.take()
        defer { ScannerMemory.give(scanner, back: body.count) }
        return try scanner.scan(body, compiled.plan, plan, cursorLimit)
    }
}

extension ScannerMemory {
    fileprivate func scan(
        _ body: [UInt8], _ compiled: lockstep_scan_plan, _ plan: ScanPlan, _ cursorLimit: Int64
    ) throws(PageScanError) -> ScannedPage {
        var compiled = compiled
        let status = body.withUnsafeBufferPointer { bytes in
            bytes.baseAddress.map { lockstep_scan(scanner, $0, bytes.count, &compiled) }
                ?? LOCKSTEP_SCAN_NOT_JSON
        }
        if let error = Self.error(status, plan) { throw error }
        var rebuiltLength = 0
        let rebuilt = lockstep_rebuilt(scanner, &rebuiltLength)
        return collect(
            rebuilt.map { Array(UnsafeBufferPointer(start: $0, count: rebuiltLength)) } ?? body, plan,
            cursorLimit)
    }

    private func collect(_ body: [UInt8], _ plan: ScanPlan, _ cursorLimit: Int64) -> ScannedPage {
        var arenaLength = 0
        let arena = UnsafeRawBufferPointer(
            start: lockstep_arena(scanner, &arenaLength), count: arenaLength)
        let found = UnsafeBufferPointer(
            start: lockstep_records(scanner), count: lockstep_record_count(scanner))
        let scalars = lockstep_scalars(scanner)
        var records: [ScannedRecord] = []
        records.reserveCapacity(found.count)
        var rejected: [RejectedRecord] = []
        var range: (first: ScannedCursor, last: ScannedCursor)?
        var lastIdentifier: [UInt8]?

        for (index, record) in found.enumerated() {
            let identifier = Int(record.id_offset)..<Int(record.id_offset + record.id_length)
            if index == found.count - 1, !identifier.isEmpty {
                lastIdentifier = Array(arena[identifier])
            }
            if var reason = RejectedRecord.Reason(record.reject) {
                if case .csv = plan.layout, reason == .notAnObject { reason = .raggedRow }
                rejected.append(
                    RejectedRecord(
                        reason: reason, externalID: identifier.isEmpty ? nil : Array(arena[identifier]),
                        range: Int(record.offset)..<Int(record.offset + record.length)))
                continue
            }
            var next = Int(record.first_scalar)
            var version: Int64?
            if let rule = plan.version {
                version = scalars.flatMap { Self.order($0[next], rule, arena) }
                next += 1
            }
            if let rule = plan.cursor {
                if let scalar = scalars?[next], let order = Self.order(scalar, rule, arena),
                    order <= cursorLimit,
                    range.map({ order < $0.first.order || order > $0.last.order }) ?? true
                {
                    let cursor = ScannedCursor(text: Self.text(scalar, arena), order: order)
                    range = (
                        first: range.map { order < $0.first.order ? cursor : $0.first } ?? cursor,
                        last: range.map { order > $0.last.order ? cursor : $0.last } ?? cursor
                    )
                }
                next += 1
            }
            var isTombstone = plan.holdsTombstones
            for rule in plan.tombstones {
                let isMarked = scalars.map { Self.value($0[next], arena) == rule.equals } ?? false
                next += 1
                var isSpared = false
                if rule.unless != nil {
                    isSpared = scalars.map { Self.isPresent($0[next]) } ?? false
                    next += 1
                }
                if isMarked, !isSpared { isTombstone = true }
            }
            records.append(
                ScannedRecord(
                    offset: record.offset, length: record.length, identifierOffset: record.id_offset,
                    identifierLength: record.id_length, version: version, isTombstone: isTombstone))
        }

        let envelope = (0..<plan.envelope.count).map { index in
            lockstep_envelope(scanner).flatMap { Self.value($0[index], arena) }
        }
        return ScannedPage(
            body: body, records: records, rejected: rejected, identifiers: Array(arena), envelope: envelope,
            cursorRange: range, lastIdentifier: lastIdentifier)
    }

    /// The order of a scalar; whole numbers are read without making a string.
    private static func order(
        _ scalar: lockstep_scalar, _ rule: ScalarRule, _ arena: UnsafeRawBufferPointer
    ) -> Int64? {
        let bytes = arena[Int(scalar.offset)..<Int(scalar.offset + scalar.length)]
        let isNumber = scalar.kind == LOCKSTEP_SCALAR_NUMBER.rawValue
        switch rule.kind {
        case .rfc3339:
            return scalar.kind == LOCKSTEP_SCALAR_STRING.rawValue
                ? Timestamp(rfc3339: bytes)?.microseconds : nil
        case .integer where isNumber, .epochSeconds where isNumber, .epochMilliseconds where isNumber:
            guard bytes.count < 16, let whole = wholeNumber(bytes) else { break }
            switch rule.kind {
            case .epochSeconds:
                let product = whole.multipliedReportingOverflow(by: 1_000_000)
                return product.overflow ? nil : product.partialValue
            case .epochMilliseconds: return whole * 1_000
            default: return whole
            }
        default: break
        }
        return value(scalar, arena).flatMap(rule.order)
    }

    private static func wholeNumber(_ bytes: Slice<UnsafeRawBufferPointer>) -> Int64? {
        var value: Int64 = 0
        for byte in bytes {
            guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return nil }
            value = value * 10 + Int64(byte - UInt8(ascii: "0"))
        }
        return bytes.isEmpty ? nil : value
    }

    private static func text(_ scalar: lockstep_scalar, _ arena: UnsafeRawBufferPointer) -> String {
        String(
            decoding: arena[Int(scalar.offset)..<Int(scalar.offset + scalar.length)], as: UTF8.self)
    }

    private static func isPresent(_ scalar: lockstep_scalar) -> Bool {
        ![LOCKSTEP_SCALAR_ABSENT.rawValue, LOCKSTEP_SCALAR_NULL.rawValue].contains(scalar.kind)
    }

    static func value(_ scalar: lockstep_scalar, _ arena: UnsafeRawBufferPointer) -> JSONScalar? {
        switch lockstep_scalar_kind(scalar.kind) {
        case LOCKSTEP_SCALAR_NULL: .null
        case LOCKSTEP_SCALAR_FALSE: .bool(false)
        case LOCKSTEP_SCALAR_TRUE: .bool(true)
        case LOCKSTEP_SCALAR_NUMBER: .number(text(scalar, arena))
        case LOCKSTEP_SCALAR_STRING: .string(text(scalar, arena))
        default: nil
        }
    }

    private static func error(_ status: lockstep_scan_status, _ plan: ScanPlan) -> PageScanError? {
        let place = plan.records.text.isEmpty ? "the document" : plan.records.text
        return switch status {
        case LOCKSTEP_SCAN_OK: nil
        case LOCKSTEP_SCAN_TRUNCATED: PageScanError(.truncated, "the page ends in the middle of a value")
        case LOCKSTEP_SCAN_RECORDS_MISSING:
            PageScanError(.recordsMissing, "the page has no member \(place) for the records")
        case LOCKSTEP_SCAN_RECORDS_NOT_ARRAY:
            switch plan.layout {
            case .keyed, .single: PageScanError(.recordsNotArray, "\(place) is not an object")
            case .array, .lines, .csv: PageScanError(.recordsNotArray, "\(place) is not an array")
            }
        case LOCKSTEP_SCAN_TOO_MANY_RECORDS:
            PageScanError(.tooManyRecords, "the page has more than \(plan.maxRecords) records")
        case LOCKSTEP_SCAN_NO_MEMORY: PageScanError(.outOfMemory, "no memory to scan a page")
        default: PageScanError(.notJSON, "the page is not a JSON object or array")
        }
    }
}

extension RejectedRecord.Reason {
    init?(_ code: UInt32) {
        switch lockstep_reject_reason(code) {
        case LOCKSTEP_REJECT_NUL: self = .nulCharacter
        case LOCKSTEP_REJECT_SURROGATE: self = .loneSurrogate
        case LOCKSTEP_REJECT_MISSING_ID: self = .missingID
        case LOCKSTEP_REJECT_TOO_LARGE: self = .tooLarge
        case LOCKSTEP_REJECT_INVALID_UTF8: self = .invalidUTF8
        case LOCKSTEP_REJECT_NOT_OBJECT: self = .notAnObject
        case LOCKSTEP_REJECT_ID_TOO_LONG: self = .idTooLong
        case LOCKSTEP_REJECT_TOO_DEEP: self = .tooDeep
        default: return nil
        }
    }
}
