// SPDX-License-Identifier: Apache-2.0

import Foundation
import PageScanner

/// A JSON value of a response that nothing is known of yet.
indirect enum ProbeValue: Sendable, Equatable, Decodable {
    case object([String: ProbeValue])
    case array([ProbeValue])
    case scalar(JSONScalar)

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .scalar(.null)
        } else if let value = try? container.decode(Bool.self) {
            self = .scalar(.bool(value))
        } else if let value = try? container.decode(Int64.self) {
            self = .scalar(.number(String(value)))
        } else if let value = try? container.decode(Double.self) {
            self = .scalar(.number(String(value)))
        } else if let value = try? container.decode(String.self) {
            self = .scalar(.string(value))
        } else if let value = try? container.decode([ProbeValue].self) {
            self = .array(value)
        } else {
            self = .object(try container.decode([String: ProbeValue].self))
        }
    }

    /// Nil when the bytes are no JSON.
    init?(json bytes: [UInt8]) {
        do {
            self = try JSONDecoder().decode(ProbeValue.self, from: Data(bytes))
        } catch {
            return nil
        }
    }

    var members: [String: ProbeValue] { if case .object(let members) = self { members } else { [:] } }

    var elements: [ProbeValue]? { if case .array(let elements) = self { elements } else { nil } }

    var scalar: JSONScalar? { if case .scalar(let scalar) = self { scalar } else { nil } }

    subscript(path: [String]) -> ProbeValue? {
        path.reduce(self as ProbeValue?) { value, token in value?.members[token] }
    }

    /// The scalars of an object and of the objects in it, with their paths; arrays are not looked into.
    func scalars(depth: Int = 3) -> [(path: [String], value: JSONScalar)] {
        guard depth > 0 else { return [] }
        return members.sorted { $0.key < $1.key }.flatMap {
            name, value -> [(path: [String], value: JSONScalar)] in
            if let scalar = value.scalar { return [([name], scalar)] }
            return value.scalars(depth: depth - 1).map { ([name] + $0.path, $0.value) }
        }
    }

    /// A path as a JSON pointer (RFC 6901).
    static func pointer(_ path: [String]) -> String {
        path.map { "/" + $0.replacing("~", with: "~0").replacing("/", with: "~1") }.joined()
    }
}
