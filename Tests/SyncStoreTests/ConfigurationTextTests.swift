// SPDX-License-Identifier: Apache-2.0

import PageScanner
import PostgresClient
import TestSupport
import Testing

@Suite struct `The texts of a configuration` {
    @Test(arguments: [
        "{}",
        #"{"site":"acme","yes":true,"no":false,"none":null,"whole":7,"price":1.10,"big":12345678901234567890}"#,
        #"{"a":1e3,"b":-0.5E-2,"text":" , } ] : \" \\ \u00e4 \n x","":"empty","c/d~e":"f","\u00fc\"":"g"}"#,
        #"{ "list" : [1, "a,b}", {"c": "]"}] , "object" : {"d": [ ], "e": {}} , "last" : "x" }"#, "[1]", "7",
        "",
    ])
    func `are what Postgres makes of it, as workers get it`(json: String) async throws {
        let pool = PostgresPool(
            configuration: try PostgresConfiguration(url: await PostgresServer.makeDatabase()))
        let rows = try await pool.query(
            """
            SELECT c::text, key, value FROM (SELECT nullif($1, '')::jsonb) AS t (c)
            LEFT JOIN LATERAL jsonb_each_text(CASE WHEN jsonb_typeof(c) = 'object' THEN c END) ON true
            """, [.text(json)])
        var expected: [String: String] = [:]
        for row in 0..<rows.count {
            if let name = rows.text(row, 1), let value = rows.text(row, 2) { expected[name] = value }
        }
        let written = rows.bytes(0, 0) ?? Array(json.utf8)
        #expect(ConfigurationText.members(of: written) == expected)
    }

    @Test func `are as the text has them when somebody else wrote it`() {
        let text = "\n{ \"price\" : 1.10 ,\t\"yes\":true, \"none\" : null,\"name\":\"\\u00e4\" }\n"
        let expected = ["price": "1.10", "yes": "true", "name": "ä"]
        #expect(ConfigurationText.members(of: Array(text.utf8)) == expected)
    }
}
