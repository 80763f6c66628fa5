// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Lists for benchmarks: prepared bytes, so that the provider costs next to nothing beside what is measured.
///
/// `/bench/TOTAL/SIZE/VARIANT/v1/items?limit=1000&starting_after=item_000000999`: TOTAL records of exactly
/// SIZE bytes. With
/// VARIANT n every n-th record differs from those of variant 0. `/bench/empty/v1/items` is empty.
///
/// A page is a copy of a prepared one, in which only the digits of the ids are written.
struct BenchmarkList: Sendable {
    private struct Shape: Hashable {
        let size: Int
        let limit: Int
    }

    /// What one prepared page may take.
    private static let byteLimit = 16 << 20
    /// Prepared pages that are kept.
    private static let shapeLimit = 8
    private static let prefix = #"{"id":"item_"#
    private static let digits = 9
    private static let middle = #"","object":"item","created":1700000000,"v":"#
    private static let suffix = #","pad":""#
    private static let minimum = prefix.utf8.count + digits + middle.utf8.count + 1 + suffix.utf8.count + 2
    private static let head = #"{"object":"list","url":"/v1/items","has_more":"#
    private static let empty = ByteBuffer(string: head + #"false,"data":[]}"#)
    /// Both values have one length, so that records begin at one place.
    private static let heads = [true: head + #"true ,"data":["#, false: head + #"false,"data":["#]

    private var templates: [Shape: [UInt8]] = [:]
    private(set) var requests = 0

    mutating func answer(_ request: SandboxRequest) -> SandboxResponse {
        requests += 1
        let segments = request.segments
        if segments.count == 4, segments[1] == "empty" { return SandboxResponse(body: Self.empty) }
        guard segments.count == 6, segments[4] == "v1", let total = Int(segments[1]),
            let size = Int(segments[2]), let variant = Int(segments[3]),
            (Self.minimum...100_000).contains(size), (0..<1_000_000_000).contains(total), variant >= 0
        else {
            return SandboxResponse(
                status: 404,
                json: """
                    {"error":"/bench/TOTAL/SIZE/VARIANT/v1/items with a size of \(Self.minimum) to 100000, \
                    or /bench/empty/v1/items"}
                    """)
        }
        let limit = min(request.query["limit"].flatMap { Int($0) } ?? 1_000, Self.byteLimit / size)
        var first = 0
        if let after = request.query["starting_after"] {
            guard after.hasPrefix("item_"), let number = Int(after.dropFirst(5)), (0..<total).contains(number)
            else {
                return StripeAPI.failure(
                    400, "resource_missing", "No such item: '\(after)'", "starting_after")
            }
            first = number + 1
        }
        guard limit >= 1 else {
            return StripeAPI.failure(400, "parameter_invalid_integer", "Invalid integer", "limit")
        }
        return SandboxResponse(
            body: page(first, min(limit, total - first), total, Shape(size: size, limit: limit), variant))
    }

    private mutating func page(_ first: Int, _ count: Int, _ total: Int, _ shape: Shape, _ variant: Int)
        -> ByteBuffer
    {
        let stride = shape.size + 1
        let head = Self.heads[first + count < total] ?? ""
        var page = ByteBuffer()
        page.reserveCapacity(head.utf8.count + count * stride + 2)
        page.writeString(head)
        let start = page.writerIndex
        if count > 0 {
            if let template = templates[shape] {
                page.writeBytes(template[..<(count * stride - 1)])
            } else {
                let template = Self.template(shape)
                if templates.count >= Self.shapeLimit { templates = [:] }
                templates[shape] = template
                page.writeBytes(template[..<(count * stride - 1)])
            }
        }
        page.withUnsafeMutableReadableBytes { bytes in
            for record in 0..<count {
                let number = first + record
                let offset = start + record * stride + Self.prefix.utf8.count
                var rest = number
                for position in Swift.stride(from: offset + Self.digits - 1, through: offset, by: -1) {
                    bytes[position] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
                    rest /= 10
                }
                if variant > 0, number % variant == 0 {
                    bytes[offset + Self.digits + Self.middle.utf8.count] = UInt8(ascii: "1")
                }
            }
        }
        page.writeString("]}")
        return page
    }

    /// `limit` records with the number 0, each followed by a comma.
    private static func template(_ shape: Shape) -> [UInt8] {
        let pad = String(repeating: "x", count: shape.size - minimum)
        let zeros = String(repeating: "0", count: digits)
        let record = Array((prefix + zeros + middle + "0" + suffix + pad + "\"},").utf8)
        var template: [UInt8] = []
        template.reserveCapacity(shape.limit * record.count)
        for _ in 0..<shape.limit { template += record }
        return template
    }
}
