// SPDX-License-Identifier: Apache-2.0

/// Lists for benchmarks: prepared bytes, so that the provider costs next to nothing beside what is measured.
///
/// `/bench/TOTAL/SIZE/VARIANT/v1/items?limit=1000&starting_after=item_000000999`: TOTAL records of exactly SIZE bytes. With
/// VARIANT n every n-th record differs from those of variant 0. `/bench/empty/v1/items` is empty.
final class BenchmarkList {
    private struct Shape: Hashable {
        let size: Int
        let limit: Int
    }

    private var templates: [Shape: [UInt8]] = [:]
    private static let empty = Array(#"{"object":"list","url":"/v1/items","has_more":false,"data":[]}"#.utf8)
    private static let head = Array(#"{"object":"list","url":"/v1/items","has_more":"#.utf8)
    private static let idPrefix = Array(#"{"id":"item_"#.utf8)
    private static let beforeVariant = Array(#"","object":"item","created":1700000000,"v":"#.utf8)
    private static let beforePad = Array(#","pad":""#.utf8)
    private static let minimum = 110

    func answer(_ request: SandboxRequest) -> SandboxResponse {
        let segments = request.segments
        if segments.count == 4, segments[1] == "empty" { return SandboxResponse(body: Self.empty) }
        guard segments.count == 6, let total = Int(segments[1]), let size = Int(segments[2]),
            let variant = Int(segments[3]), size >= Self.minimum, size <= 100_000, total >= 0,
            total < 1_000_000_000, variant >= 0
        else {
            return SandboxResponse(status: 404, json: #"{"error":"/bench/TOTAL/SIZE/VARIANT/v1/items"}"#)
        }
        let limit = min(max(request.integer("limit") ?? 1_000, 1), 10_000)
        var first = 0
        if let after = request.query["starting_after"], let number = Int(after.dropFirst(5)) {
            first = number + 1
        }
        let count = max(0, min(limit, total - first))
        return SandboxResponse(body: page(first, count, size, limit, variant, hasMore: first + count < total))
    }

    private func page(_ first: Int, _ count: Int, _ size: Int, _ limit: Int, _ variant: Int, hasMore: Bool)
        -> [UInt8]
    {
        let shape = Shape(size: size, limit: limit)
        if templates[shape] == nil { templates[shape] = Self.template(size, limit) }
        var page = Self.head + Array((hasMore ? "true" : "false").utf8) + Array(",\"data\":[".utf8)
        let start = page.count
        page.reserveCapacity(start + count * (size + 1) + 2)
        if count > 0, let template = templates[shape] {
            page += template[..<(count * (size + 1) - 1)]
            page.withUnsafeMutableBufferPointer { bytes in
                for record in 0..<count {
                    let number = first + record
                    let at = start + record * (size + 1) + Self.idPrefix.count
                    Self.write(number, digits: 9, to: bytes, at: at)
                    if variant > 0, number % variant == 0 {
                        bytes[at + 9 + Self.beforeVariant.count] = UInt8(ascii: "1")
                    }
                }
            }
        }
        page += [UInt8(ascii: "]"), UInt8(ascii: "}")]
        return page
    }

    private static func write(
        _ number: Int, digits: Int, to bytes: UnsafeMutableBufferPointer<UInt8>, at offset: Int
    ) {
        var rest = number
        for position in stride(from: offset + digits - 1, through: offset, by: -1) {
            bytes[position] = UInt8(ascii: "0") + UInt8(rest % 10)
            rest /= 10
        }
    }

    /// `limit` records with the number 0, separated by commas.
    private static func template(_ size: Int, _ limit: Int) -> [UInt8] {
        var record = idPrefix + Array("000000000".utf8) + beforeVariant + [UInt8(ascii: "0")] + beforePad
        record += [UInt8](repeating: UInt8(ascii: "x"), count: size - record.count - 2)
        record += Array("\"}".utf8)
        var template: [UInt8] = []
        template.reserveCapacity(limit * (size + 1))
        for _ in 0..<limit {
            template += record
            template.append(UInt8(ascii: ","))
        }
        return template
    }
}
