// SPDX-License-Identifier: Apache-2.0

/// Reads single values of one JSON object, such as a parent's id or a provider's error code.
public enum JSONValueReader {
    /// The scalars at these pointers; nil for one that is absent or no scalar, and for all when the text is no object.
    public static func scalars(at pointers: [JSONPointer], in json: [UInt8]) -> [JSONScalar?] {
        let nothing = [JSONScalar?](repeating: nil, count: pointers.count)
        // The object becomes the one record of a page; what is asked for is read as its envelope.
        var page = Array("{\"value\":".utf8)
        page.reserveCapacity(json.count + 32 + PageScanner.padding)
        page += json
        page += Array(",\"none\":[]}".utf8)
        do throws(PageScanError) {
            let plan = ScanPlan(
                records: try JSONPointer("/none"), id: [],
                envelope: try pointers.map { pointer throws(PageScanError) in
                    try JSONPointer("/value" + pointer.text)
                })
            return try PageScanner(plan: plan).scan(page).envelope
        } catch {
            return nothing
        }
    }

    /// The text of the scalar at a pointer; nil when it is absent, null, or no scalar.
    public static func scalarText(at pointer: JSONPointer, in json: [UInt8]) -> String? {
        scalars(at: [pointer], in: json).first.flatMap { $0?.text }
    }
}
