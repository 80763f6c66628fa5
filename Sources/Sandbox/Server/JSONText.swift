// SPDX-License-Identifier: Apache-2.0

/// Text inside a JSON string.
enum JSONText {
    static func escaped(_ text: some StringProtocol) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            default:
                if scalar.value < 0x20 {
                    let digits = String(scalar.value, radix: 16)
                    result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
                } else {
                    result.unicodeScalars.append(scalar)
                }
            }
        }
        return result
    }

    static func quoted(_ text: (some StringProtocol)?) -> String {
        text.map { "\"\(escaped($0))\"" } ?? "null"
    }

    /// The text that a JSON string, quotes included, stands for.
    static func unquoted(_ json: String) -> String {
        do throws(ControlRefusal) {
            return try FlatJSON.parse(Array("{\"text\":\(json)}".utf8))["text"] ?? ""
        } catch {
            return json
        }
    }
}
