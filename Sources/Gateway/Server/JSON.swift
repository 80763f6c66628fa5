// SPDX-License-Identifier: Apache-2.0

import ConnectorKit

/// JSON that the gateway writes. Members keep their order.
enum JSON: Sendable {
    case null
    case bool(Bool)
    case integer(Int64)
    case string(String)
    case array([JSON])
    case object([(String, JSON)])
    /// JSON text that is written as it is.
    case text([UInt8])

    /// The text in UTF-8.
    var bytes: [UInt8] {
        var output: [UInt8] = []
        write(to: &output)
        return output
    }

    private func write(to output: inout [UInt8]) {
        switch self {
        case .null: output += Array("null".utf8)
        case .bool(let value): output += Array((value ? "true" : "false").utf8)
        case .integer(let value): output += Array(String(value).utf8)
        case .string(let text): JSONTree.write(text, to: &output)
        case .text(let bytes): output += bytes
        case .array(let elements):
            output.append(UInt8(ascii: "["))
            for (index, element) in elements.enumerated() {
                if index > 0 { output.append(UInt8(ascii: ",")) }
                element.write(to: &output)
            }
            output.append(UInt8(ascii: "]"))
        case .object(let members):
            output.append(UInt8(ascii: "{"))
            for (index, (name, value)) in members.enumerated() {
                if index > 0 { output.append(UInt8(ascii: ",")) }
                JSONTree.write(name, to: &output)
                output.append(UInt8(ascii: ":"))
                value.write(to: &output)
            }
            output.append(UInt8(ascii: "}"))
        }
    }
}

extension JSON {
    /// An answer of this JSON.
    func response(_ status: Int = 200) -> GatewayResponse {
        GatewayResponse(status: status, headers: [("Content-Type", "application/json")], body: bytes)
    }
}
