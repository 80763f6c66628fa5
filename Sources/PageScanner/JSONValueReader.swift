// SPDX-License-Identifier: Apache-2.0

/// Reads single values of one JSON object, such as a parent's id or a provider's error code.
public enum JSONValueReader {
    /// The scalars at these pointers; nil for one that is absent or no scalar, and for all when the text is no object.
    public static func scalars(at pointers: [JSONPointer], in json: [UInt8]) -> [JSONScalar?] {
        // What is asked for is read as the envelope of a page without records. The document itself is no scalar.
        let named = pointers.filter { !$0.tokens.isEmpty }
        do throws(PageScanError) {
            var plan = ScanPlan(records: try JSONPointer("/ no records"), id: [], envelope: named)
            plan.mayLackRecords = true
            var found = try PageScanner(plan: plan).scan(json).envelope[...]
            return pointers.map { $0.tokens.isEmpty ? nil : found.popFirst() ?? nil }
        } catch {
            return [JSONScalar?](repeating: nil, count: pointers.count)
        }
    }

    /// The text of the scalar at a pointer; nil when it is absent, null, or no scalar.
    public static func scalarText(at pointer: JSONPointer, in json: [UInt8]) -> String? {
        scalars(at: [pointer], in: json).first.flatMap { $0?.text }
    }

    /// The ids that the elements of an array have at `pointer`; none when there is no such array. One that is too long for any
    /// record is left out.
    public static func identifiers(
        at pointer: JSONPointer, eachOf array: JSONPointer, in json: [UInt8]
    ) -> [String] {
        do throws(PageScanError) {
            var plan = ScanPlan(records: array, id: [pointer])
            plan.mayLackRecords = true
            let page = try PageScanner(plan: plan).scan(json)
            return page.records.map { String(decoding: page.identifiers[$0.identifierRange], as: UTF8.self) }
                + page.rejected.compactMap(\.askableID).map { String(decoding: $0, as: UTF8.self) }
        } catch {
            return []
        }
    }
}
