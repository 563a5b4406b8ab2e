module parallax/peer

go 1.19
