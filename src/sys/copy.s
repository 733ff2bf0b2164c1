# SPDX-License-Identifier: Apache-2.0 OR MIT
# memcpy(3) and memmove(3): rdi is where to, rsi where from, rdx how many bytes; rax is where to.
# What a short copy reads it reads before it writes, so it may overlap.

    mov rax, rdi
    cmp rdx, 16
    jb 20f
    movups xmm0, [rsi]
    movups xmm1, [rsi + rdx - 16]
    cmp rdx, 32
    ja 21f
    movups [rdi], xmm0
    movups [rdi + rdx - 16], xmm1
    ret

# 33 to 64
21: cmp rdx, 64
    ja 22f
    movups xmm2, [rsi + 16]
    movups xmm3, [rsi + rdx - 32]
    movups [rdi], xmm0
    movups [rdi + 16], xmm2
    movups [rdi + rdx - 32], xmm3
    movups [rdi + rdx - 16], xmm1
    ret

# 65 to 128
22: cmp rdx, 128
    ja 23f
    movups xmm2, [rsi + 16]
    movups xmm3, [rsi + 32]
    movups xmm4, [rsi + 48]
    movups xmm5, [rsi + rdx - 64]
    movups xmm6, [rsi + rdx - 48]
    movups xmm7, [rsi + rdx - 32]
    movups [rdi], xmm0
    movups [rdi + 16], xmm2
    movups [rdi + 32], xmm3
    movups [rdi + 48], xmm4
    movups [rdi + rdx - 64], xmm5
    movups [rdi + rdx - 48], xmm6
    movups [rdi + rdx - 32], xmm7
    movups [rdi + rdx - 16], xmm1
    ret

# 129 to 256
23: cmp rdx, 256
    ja 24f
    movups xmm2, [rsi + 16]
    movups xmm3, [rsi + 32]
    movups xmm4, [rsi + 48]
    movups xmm5, [rsi + 64]
    movups xmm6, [rsi + 80]
    movups xmm7, [rsi + 96]
    movups xmm8, [rsi + 112]
    movups xmm9, [rsi + rdx - 128]
    movups xmm10, [rsi + rdx - 112]
    movups xmm11, [rsi + rdx - 96]
    movups xmm12, [rsi + rdx - 80]
    movups xmm13, [rsi + rdx - 64]
    movups xmm14, [rsi + rdx - 48]
    movups xmm15, [rsi + rdx - 32]
    movups [rdi], xmm0
    movups [rdi + 16], xmm2
    movups [rdi + 32], xmm3
    movups [rdi + 48], xmm4
    movups [rdi + 64], xmm5
    movups [rdi + 80], xmm6
    movups [rdi + 96], xmm7
    movups [rdi + 112], xmm8
    movups [rdi + rdx - 128], xmm9
    movups [rdi + rdx - 112], xmm10
    movups [rdi + rdx - 96], xmm11
    movups [rdi + rdx - 80], xmm12
    movups [rdi + rdx - 64], xmm13
    movups [rdi + rdx - 48], xmm14
    movups [rdi + rdx - 32], xmm15
    movups [rdi + rdx - 16], xmm1
    ret

# More. Forwards, unless the end of the source is where the copy begins.
24: mov rcx, rdi
    sub rcx, rsi
    cmp rcx, rdx
    jb 25f
    mov rcx, rdx
    shr rcx, 3
    rep movsq
    movups [rax + rdx - 16], xmm1
    ret

# Backwards; the first 32 bytes are kept, for they may be overwritten before their turn.
25: movups xmm2, [rsi + 16]
26: movups xmm3, [rsi + rdx - 16]
    movups xmm4, [rsi + rdx - 32]
    movups [rdi + rdx - 16], xmm3
    movups [rdi + rdx - 32], xmm4
    sub rdx, 32
    cmp rdx, 32
    ja 26b
    movups [rdi], xmm0
    movups [rdi + 16], xmm2
    ret

# 8 to 15
20: cmp edx, 8
    jb 27f
    mov rcx, [rsi]
    mov r8, [rsi + rdx - 8]
    mov [rdi], rcx
    mov [rdi + rdx - 8], r8
    ret

# 4 to 7
27: cmp edx, 4
    jb 28f
    mov ecx, [rsi]
    mov r8d, [rsi + rdx - 4]
    mov [rdi], ecx
    mov [rdi + rdx - 4], r8d
    ret

# 1 to 3: the first, the middle and the last, which may be the same
28: test edx, edx
    jz 29f
    mov r9d, edx
    shr r9d
    movzx ecx, byte ptr [rsi]
    movzx r8d, byte ptr [rsi + r9]
    movzx r10d, byte ptr [rsi + rdx - 1]
    mov [rdi], cl
    mov [rdi + r9], r8b
    mov [rdi + rdx - 1], r10b
29: ret
