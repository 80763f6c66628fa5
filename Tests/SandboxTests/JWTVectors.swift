// SPDX-License-Identifier: Apache-2.0

/// A key that was made for these tests, and what was signed with its private half.
enum JWTVectors {
    static let publicKey = """
        -----BEGIN PUBLIC KEY-----
        MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEArET5kVjp82+uPHSnjglT
        GyI7TGeACdRjq0Pw1twMbFbxYQwrVCVE6Ge0dRrc2xGIGetj2UmVf6kSbEHN2jiv
        7Sm8DE1jZaymC/AHv5eYW0z8kSR4xe7MVH7lk2gd/4XVagPoHNe2CS5kx+voHT5T
        bxxxVDPN1klLVDeT4YwmjjlWx5/jlKvxOLVDKP+WETUNBj063da7MzJexzENu8os
        ssxQSg2XOAlYLO7svqCR8t2QK/m4+cySVCg/1tRxJyD6B5CttxYM9MK7JvwRa82b
        v+A3zb2GdHYSj1hFK50ugIHRo7ivoFUubYw+Jil0NobIEgvlqzq5gynsmbkRVuCA
        jwIDAQAB
        -----END PUBLIC KEY-----
        """
    /// Between issue and expiry of the assertions.
    static let time: Int64 = 1_760_000_010

    /// For the account itself.
    static let own = joined(
        """
        eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJzeW5jQHByb2plY3QuaWFtLmdzZXJ2aWNlYWNjb3VudC5jb20
        iLCJzY29wZSI6Imh0dHBzOi8vd3d3Lmdvb2dsZWFwaXMuY29tL2F1dGgvY2FsZW5kYXIucmVhZG9ubHkiLCJhdWQiOiJodHR
        wczovL29hdXRoMi5nb29nbGVhcGlzLmNvbS90b2tlbiIsImlhdCI6MTc2MDAwMDAwMCwiZXhwIjoxNzYwMDAzNjAwfQ.aq1-
        cjD-8JW1m_3G4OUbzLJgMusnhyd4YobV47ciZZwkLdXKdp-TXCSoh2AgyDDn44ArTUWWxssZxhttN231LskJVdpNqvHk8u5U
        HjUUyTzLk_FySVa5Xbq4MBuV0x0j2OsHbFKaB2zr2hjL-y-MBJL9bgnzhnzZ7ovPbBfs26xWHPMnbAALcS6h-JkNSEcrMaz-
        60U5fmB0tQ08yIibDqunYnfcllLB6I--tQ6m5W7OQsZ7vEDeJBI7X4leKo4e44a-t5F-BPLlx4BtJ58IJ3kabBIaw-VBYZfY
        _FmSLYVgp_ImGFqlnI0iWR1ZK22HLsKPX5OYsvklFvjOVlteiQ
        """)
    /// For the user u_2.
    static let delegated = joined(
        """
        eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJzeW5jQHByb2plY3QuaWFtLmdzZXJ2aWNlYWNjb3VudC5jb20
        iLCJzY29wZSI6Imh0dHBzOi8vd3d3Lmdvb2dsZWFwaXMuY29tL2F1dGgvY2FsZW5kYXIucmVhZG9ubHkiLCJhdWQiOiJodHR
        wczovL29hdXRoMi5nb29nbGVhcGlzLmNvbS90b2tlbiIsImlhdCI6MTc2MDAwMDAwMCwiZXhwIjoxNzYwMDAzNjAwLCJzdWI
        iOiJ1XzJAZXhhbXBsZS5jb20ifQ.Ar6iRDHxkGKqX4ntVXMdT_mGK5nfn2b2uoypPm2LWO2t1YyoPR23KDs8IG6XKgOiaHEV
        2fe6hh8Ued79Y2mZ7eAyQ4ZjIrhIR_byKOR9YkPOxQ1kdzdK0vCs-N7bHyi0Ivsi9Kh5HN_7NMaRAy84z9gJhXGBd3BKcwZ6
        -XX8bwwZFHHq2fqaUiHoubuURBqRGbuPyj4S4OKjJoe3TmeV7FLs3sYIgHShovNiY-_9425U0orDXEEbw3yWxgNpr8YY6fJY
        FoyAubPA1K4LaXZF3_V5qO06hHnY3lWEhjx9Oap-BsLpGI_bavRpTWWO5BF24UVzP2glQNP4YFNo1M2JIA
        """)
    /// Lives a second longer than an hour.
    static let long = joined(
        """
        eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJzeW5jQHByb2plY3QuaWFtLmdzZXJ2aWNlYWNjb3VudC5jb20
        iLCJzY29wZSI6Imh0dHBzOi8vd3d3Lmdvb2dsZWFwaXMuY29tL2F1dGgvY2FsZW5kYXIucmVhZG9ubHkiLCJhdWQiOiJodHR
        wczovL29hdXRoMi5nb29nbGVhcGlzLmNvbS90b2tlbiIsImlhdCI6MTc2MDAwMDAwMCwiZXhwIjoxNzYwMDAzNjAxfQ.lHlJ
        5IrwR56yypokg9FpquYkDJ3Hx3b1T3IYyk29dhDjmNCwn6KywNYSy5f4XjX_wI9q7pEvuv_Pjz7lHr0uxekVPKUrT27pd7zt
        Uy-vMf2zcS9XTibXf998XPzhJ_N27oPwm3XNA61aW4j7xp9KgBUooHusSkacRgPxxaTSTSuiJt-EPntmATkXLbriwUE2dxfI
        SRGfAjjg_rzYggsbDWucsTqwFxGno2dXHEAV8j4An2tbny1RTQuABSm2M2cW05csrlA0dEKw149qCkh9tIQQTnqzgybEke73
        U54a7A8UyVoxvsX2NstIOP6SauvWH2mkBH6WfKPAk3V8COsJlA
        """)
    /// Of an account that nobody registered.
    static let other = joined(
        """
        eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJ4QHkiLCJzY29wZSI6Imh0dHBzOi8vd3d3Lmdvb2dsZWFwaXM
        uY29tL2F1dGgvY2FsZW5kYXIucmVhZG9ubHkiLCJhdWQiOiJodHRwczovL29hdXRoMi5nb29nbGVhcGlzLmNvbS90b2tlbiI
        sImlhdCI6MTc2MDAwMDAwMCwiZXhwIjoxNzYwMDAzNjAwfQ.I4ZT0OGODZP4xrgb6_fyQ1Qc8AcMCDi0pZbpqsMs-xeOFLVR
        wbk-AxZiIuT3fLug7KsjCiCU8XXiE9oiPYjqL3SKwjqN3mvy3sAfUdJK7p64QvkaAt7L0ivelAaW8dvKQC4ZHJrWmkwvnn9p
        EY5I7RCR8p1H8Mw21qB7JHPTzOar7RFmkdtfWAZYXGGKvFzmcEUV7__mAepBZJsw2z4QcGlprcz2ARt8hu3SDBap2axXRnmv
        BYoHWvVte3rVF4K1PPP1TneWryBZ4bjB2V3rHvgd2E7g5WXvBQESyS3CwmA6DW3oe9hy487JHqsYz1nqMaDDjpsna4Cl44PT
        DSyMcA
        """)
    /// For another server.
    static let audience = joined(
        """
        eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJzeW5jQHByb2plY3QuaWFtLmdzZXJ2aWNlYWNjb3VudC5jb20
        iLCJzY29wZSI6Imh0dHBzOi8vd3d3Lmdvb2dsZWFwaXMuY29tL2F1dGgvY2FsZW5kYXIucmVhZG9ubHkiLCJhdWQiOiJodHR
        wczovL2V4YW1wbGUuY29tLyIsImlhdCI6MTc2MDAwMDAwMCwiZXhwIjoxNzYwMDAzNjAwfQ.TA88O2gMTndT31lcWX-nqEDQ
        aojlQXlntm7B0CmanDgqRecU37UJg8yAnz71SB1yrS_WGGzvfVBsUiiGI3uZnOvwSuqt3fOuxy1chw1BwttYpLpUvu-fMyW4
        6z7KmybIO-wTnM9dS08dVEQLdJSjDUeMa3H0goWMhKgK6Xl9a1CK-1PZ8KySY1rRd0PGH4FlPli491SCqe9zyTRuB61aBLG7
        uLkM-IVGLs6uaujchRJSam0AhdjN9Vmtm5SC0CAt22T8SDWhWbQxXaHXiTqDJroO619enYSUWk0IUJFF_j4LcHSKIuBUsc6P
        LKxl2AGMFuJCOqtSwCgXZl1MDjks2A
        """)
    /// Says HS256.
    static let algorithm = joined(
        """
        eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJzeW5jQHByb2plY3QuaWFtLmdzZXJ2aWNlYWNjb3VudC5jb20
        iLCJzY29wZSI6Imh0dHBzOi8vd3d3Lmdvb2dsZWFwaXMuY29tL2F1dGgvY2FsZW5kYXIucmVhZG9ubHkiLCJhdWQiOiJodHR
        wczovL29hdXRoMi5nb29nbGVhcGlzLmNvbS90b2tlbiIsImlhdCI6MTc2MDAwMDAwMCwiZXhwIjoxNzYwMDAzNjAwfQ.Yc4V
        5NcvKDarOsyw71mgTab43tRE65kcy0K4mo0oMeVJb6IEWXM6XxTz1eAioQXYB1VXsTxBVxx2-8XIe7hHJIU4EDJXTp7EtdNY
        TxxjcweMY6mxTrhnc7KjaEH4oqoHSeKqZrw0bnzcorbp0PBWwvvTnpsygxCEpVzn1gwTpjslEZzEsx8an4Ur020Z1GIJDWhh
        0VVCIGLSXI6_SoaHUo7U2TAIE2OAUiYt53n4PKSS1rmg2YWouvSBIbl7dXy_UcfGP4yEocAowRwHRvM9b3SuQXsuX8ip6SbV
        yRf-2dH5Q4tUhTqGDPIlaVC507i77tm6Qh_THoQtGhDc8Aoe4g
        """)

    private static func joined(_ lines: String) -> String { lines.filter { !$0.isNewline } }
}
